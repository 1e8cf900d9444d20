{{/*
The local namespace. Where this cluster is the hub, it must not be the share namespace: there the syncer would take the
slices of all clusters for copies of its own, and tidy them up.
*/}}
{{- define "nauti.localNamespace" -}}
{{- $name := .Values.cluster.localnamespace -}}
{{ $name }}{{ if and .Values.cluster.hub (eq $name .Values.cluster.sharenamespace) }}-local{{ end }}
{{- end }}

{{/* Where this cluster and the hub are: for the syncer, and for the Job that ends its work. */}}
{{- define "nauti.syncerPlace" -}}
- name: NAUTI_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: NAUTI_CLUSTER_ID
  value: {{ .Values.cluster.clusterID | quote }}
- name: NAUTI_LOCAL_NAMESPACE
  value: {{ include "nauti.localNamespace" . | quote }}
{{- with .Values.hub.hubURL }}
- name: NAUTI_HUB_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "nauti.syncerEnvironment" -}}
{{ include "nauti.syncerPlace" . }}
{{- with .Values.tunnel.cidr }}
- name: NAUTI_CIDR
  value: {{ . | quote }}
{{- end }}
# A reference, never an argument: arguments are read by whoever may list processes.
- name: NAUTI_BOOTSTRAP_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.hub.existingSecret | default "nauti-join-token" }}
      key: token
      optional: true
{{- end }}
