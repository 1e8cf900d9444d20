{{/*
What all templates of the two charts share. This file is the same in both.
Templates that speak of one component take (dict "root" $ "component" "<name>"), and beside it
"values": the key of the values of its pods, the component's own name where not given;
"settings": these values themselves, for pods that are not spread over nodes;
"capabilities": those that its container has;
"asRoot": the pod is a node's own agent, whose containers drop what they do not need of root's rights;
"hook": the hook of Helm that its objects belong to;
"program": what its container runs, the component's own name where not given.
*/}}

{{/* Name of all objects of a component. Fixed, not made from the release's name: a cluster has one of each. */}}
{{- define "nauti.name" -}}
nauti-{{ .component }}
{{- end }}

{{- define "nauti.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels, and the annotations of an object that Helm makes for a hook, before the hook's Job, and deletes after it. */}}
{{- define "nauti.hookMetadata" -}}
labels:
  {{- include "nauti.labels" . | nindent 2 }}
{{- with .hook }}
annotations:
  helm.sh/hook: {{ . }}
  helm.sh/hook-weight: "-1"
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
{{- end }}

{{- define "nauti.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nauti
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "nauti.labels" -}}
{{ include "nauti.selector" . }}
{{ include "nauti.chartLabels" .root }}
{{- end }}

{{/*
Labels and annotations of a component's pods. Not the chart's version: a pod restarts for what concerns it only.
"annotations" are the component's own.
*/}}
{{- define "nauti.podMetadata" -}}
labels:
  {{- include "nauti.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: nauti
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "nauti.serviceAccount" -}}
{{ .root.Values.serviceAccount.name }}-{{ .component }}
{{- end }}

{{- define "nauti.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What the pod of a component has beside its containers. */}}
{{- define "nauti.podSettings" -}}
{{- $values := .settings | default (get .root.Values (.values | default .component)) -}}
serviceAccountName: {{ include "nauti.serviceAccount" . }}
enableServiceLinks: false
securityContext:
  {{- if .asRoot }}
  runAsUser: 0
  runAsGroup: 0
  {{- else }}
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not (or .settings .asRoot) }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    {{- /* All on one node would die with it; nodes that take no pods do not count. */}}
    whenUnsatisfiable: {{ eq $key "kubernetes.io/hostname" | ternary "DoNotSchedule" "ScheduleAnyway" }}
    nodeTaintsPolicy: Honor
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "nauti.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A node that is overloaded gets slower by each container that is started again: only who is silent for a minute is. */}}
{{- define "nauti.livenessProbe" -}}
livenessProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{/* What the container of a component has beside its environment, ports and volumes. */}}
{{- define "nauti.containerSettings" -}}
{{- $values := .settings | default (get .root.Values (.values | default .component)) -}}
image: {{ include "nauti.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .program | default .component }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
    {{- with .capabilities }}
    add: {{ toJson . }}
    {{- end }}
{{- if ne (toString .probes) "false" }}
{{ include "nauti.livenessProbe" . }}
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{- end }}

{{/* Environment that every component takes. */}}
{{- define "nauti.commonEnvironment" -}}
- name: NAUTI_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: NAUTI_HTTP_LISTEN
  value: ":8080"
{{- end }}

{{/* A ServiceAccount whose token is mounted only where a pod asks for it. */}}
{{- define "nauti.serviceAccountObject" -}}
{{- if .root.Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "nauti.serviceAccount" . }}
  namespace: {{ .root.Release.Namespace }}
  {{- if .hook }}
  {{- include "nauti.hookMetadata" . | nindent 2 }}
    {{- with .root.Values.serviceAccount.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- else }}
  labels:
    {{- include "nauti.labels" . | nindent 4 }}
  {{- with .root.Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{/* At most one pod of a component is away at a time while nodes are drained. */}}
{{- define "nauti.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "nauti.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "nauti.selector" . | nindent 6 }}
{{- end }}

{{/* Binds the Role and, where "cluster" is set, the ClusterRole of a component to its ServiceAccount. */}}
{{- define "nauti.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .cluster | ternary "ClusterRoleBinding" "RoleBinding" }}
metadata:
  name: {{ include "nauti.name" . }}
  {{- if not .cluster }}
  namespace: {{ .root.Release.Namespace }}
  {{- end }}
  {{- include "nauti.hookMetadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .cluster | ternary "ClusterRole" "Role" }}
  name: {{ include "nauti.name" . }}
subjects:
  - kind: ServiceAccount
    name: {{ include "nauti.serviceAccount" . }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/*
The objects of a component's own manifests ("files", a pattern; "except": file name to leave out), byte for byte but for
the release's namespace and ServiceAccount, and, where "rename" is given, that name, which becomes the component's.
*/}}
{{- define "nauti.ownManifests" -}}
{{- $context := . }}
{{- $root := .root }}
{{- $account := printf "nauti-system:%s" (include "nauti.name" .) }}
{{- $own := .rename | default (include "nauti.name" .) }}
{{- range $path, $_ := $root.Files.Glob .files }}
{{- $text := $root.Files.Get $path | replace $own (include "nauti.name" $context) | replace $account (printf "%s:%s" $root.Release.Namespace (include "nauti.serviceAccount" $context)) | replace "nauti-system" $root.Release.Namespace | replace "syncer-operator" $root.Values.cluster.sharenamespace }}
{{- range regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml . }}
{{- if not (has $object.metadata.name ($context.except | default list)) }}
{{- $_ := set $object.metadata "labels" (include "nauti.labels" $context | fromYaml) }}
{{- range $object.subjects }}
{{- $_ := set . "name" (include "nauti.serviceAccount" $context) }}
{{- end }}
---
# {{ base $path }}
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
