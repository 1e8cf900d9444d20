{{/* Not empty where the chart runs OVN itself. */}}
{{- define "nauti.ownOvn" -}}
{{- if and .Values.secondaryNetwork.enabled (not .Values.cluster.kubeovn) }}true{{ end }}
{{- end }}

{{/* Where the northbound database is: of several, each, as only the one that leads is written to. */}}
{{- define "nauti.northbound" -}}
{{- $replicas := int .Values.ovnCentral.replicas -}}
{{- if eq $replicas 1 }}ssl:nauti-ovn-nb.{{ .Release.Namespace }}.svc:6641
{{- else }}
{{- range $number := until $replicas }}{{ if $number }},{{ end }}ssl:nauti-ovn-central-{{ $number }}.nauti-ovn-central.{{ $.Release.Namespace }}.svc:6641{{ end }}
{{- end }}
{{- end }}

{{/* "runAs" and what a container of OVN has in common; "capabilities" beyond none, "script" and its "arguments". */}}
{{- define "nauti.ovnContainer" -}}
image: {{ include "nauti.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [/usr/local/lib/nauti/ovn/{{ .script }}.sh{{ range .arguments }}, {{ . }}{{ end }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
    {{- with .capabilities }}
    add: {{ toJson . }}
    {{- end }}
{{- end }}

{{/* A probe by one of the scripts: "script", "arguments", and Kubernetes' own fields in "times". */}}
{{- define "nauti.ovnProbe" -}}
exec:
  command: [/usr/local/lib/nauti/ovn/{{ .script }}.sh{{ range .arguments }}, {{ . }}{{ end }}]
{{ toYaml .times }}
{{- end }}

{{/*
The container that gets and renews the certificate of its pod: "kind", and the "commonName" as an environment variable's
fields. The containers that use it start after it is there, or wait for it themselves where "waited" is false.
*/}}
{{- define "nauti.certificateContainer" -}}
name: certificate
image: {{ include "nauti.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [ovn-certificate]
restartPolicy: Always
env:
  - name: NAUTI_NAMESPACE
    valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
  - name: NAUTI_KIND
    value: {{ .kind }}
  - name: NAUTI_COMMON_NAME
    {{- toYaml .commonName | nindent 4 }}
  - name: NAUTI_LOG_LEVEL
    value: {{ .root.Values.logLevel | quote }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- if ne (toString .waited) "false" }}
startupProbe:
  exec:
    command: [test, -e, /run/nauti-ovn-pki/current/tls.crt]
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 600
{{- end }}
resources:
  requests: { cpu: 5m, memory: 48Mi }
  limits: { memory: 128Mi }
volumeMounts:
  - { name: pki, mountPath: /run/nauti-ovn-pki }
  - { name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end }}

{{/* Its volumes. The token is for that container only: the pod mounts none by itself. */}}
{{- define "nauti.certificateVolumes" -}}
- name: pki
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: token
  projected:
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end }}

{{/* What a ServiceAccount may do that asks for certificates. */}}
{{- define "nauti.certificateRbac" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "nauti.name" . }}-certificate
  labels:
    {{- include "nauti.labels" . | nindent 4 }}
rules:
  - apiGroups: [certificates.k8s.io]
    resources: [certificatesigningrequests]
    verbs: [create, get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ include "nauti.name" . }}-certificate
  labels:
    {{- include "nauti.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ include "nauti.name" . }}-certificate
subjects:
  - kind: ServiceAccount
    name: {{ include "nauti.serviceAccount" . }}
    namespace: {{ .root.Release.Namespace }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "nauti.name" . }}-certificate
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" . | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [configmaps]
    resourceNames: [nauti-ovn-ca]
    verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "nauti.name" . }}-certificate
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "nauti.name" . }}-certificate
subjects:
  - kind: ServiceAccount
    name: {{ include "nauti.serviceAccount" . }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
