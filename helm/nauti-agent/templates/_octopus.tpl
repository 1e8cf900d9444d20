{{/*
The gateway of the tunnels, in a member cluster and on the hub. This file is the same in both charts.
The templates take (dict "root" $ "isHub" …).
*/}}

{{/* What the other templates take. The hub's gateway has a name of its own: a cluster may be the hub and a member. */}}
{{- define "nauti.octopusComponent" -}}
{{- toJson (dict "component" (.isHub | ternary "hub-octopus" "octopus") "program" "octopus" "values" "octopus" "capabilities" (list "NET_ADMIN") "asRoot" true) -}}
{{- end }}

{{/* One pod carries the tunnels, by a Lease; the others stand by. */}}
{{- define "nauti.octopusDeployment" -}}
{{- $octopus := merge (dict "root" .root) (include "nauti.octopusComponent" . | fromJson) -}}
{{- $values := .root.Values -}}
{{- $hostNetwork := and .isHub $values.octopus.hostNetwork -}}
{{- $isElected := and (not .isHub) (gt (int $values.octopus.replicas) 1) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "nauti.name" $octopus }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" $octopus | nindent 4 }}
spec:
  replicas: {{ $values.octopus.replicas }}
  revisionHistoryLimit: 3
  {{- if or (eq (int $values.octopus.replicas) 1) $hostNetwork }}
  # A new one could have neither the address nor the port of the old one.
  strategy: { type: Recreate }
  {{- else }}
  # One that stands by is there at any time.
  strategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
  {{- end }}
  selector:
    matchLabels:
      {{- include "nauti.selector" $octopus | nindent 6 }}
  template:
    metadata:
      {{- $metadata := include "nauti.podMetadata" $octopus | fromYaml }}
      {{- if not .isHub }}
      {{- /* By this label and its ServiceAccount ovn-controller knows the pod that gets the gateway's address. */}}
      {{- $_ := set $metadata.labels "nauti.io/cnf" "true" }}
      {{- if $isElected }}
      {{- /* Of several the one that carries the tunnels takes it itself. */}}
      {{- $_ := set $metadata.labels "nauti.io/gateway-address" "elected" }}
      {{- end }}
      {{- end }}
      {{- toYaml $metadata | nindent 6 }}
    spec:
      {{- $settings := include "nauti.podSettings" $octopus | fromYaml }}
      {{- /* Those of its node where it has the node's network: the kubelet refuses others. */}}
      {{- if and (eq $values.octopus.forwarding "sysctls") (not $hostNetwork) }}
      {{- $forward := list (dict "name" "net.ipv4.ip_forward" "value" "1") (dict "name" "net.ipv6.conf.all.forwarding" "value" "1") }}
      {{- $_ := set $settings.securityContext "sysctls" $forward }}
      {{- end }}
      {{- toYaml $settings | nindent 6 }}
      automountServiceAccountToken: true
      terminationGracePeriodSeconds: 5
      {{- if $hostNetwork }}
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      {{- end }}
      {{- if gt (int $values.octopus.replicas) 1 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          # Where there is one node only, two of them are better than one: a pod dies more often than a node.
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "nauti.selector" $octopus | nindent 14 }}
      {{- end }}
      {{- if eq $values.octopus.forwarding "init" }}
      initContainers:
        # In a pod /proc/sys is read-only for all others, and the kubelets of few clusters allow this as the pod's sysctl.
        - name: forwarding
          image: {{ include "nauti.image" .root | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command:
            - /bin/sh
            - -ec
            - |
              echo 1 > /proc/sys/net/ipv4/ip_forward
              if [ -d /proc/sys/net/ipv6 ]; then echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; fi
          securityContext:
            privileged: true
            readOnlyRootFilesystem: true
      {{- end }}
      containers:
        - name: octopus
          {{- include "nauti.containerSettings" $octopus | nindent 10 }}
          env:
            - name: NAUTI_NAMESPACE
              valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
            - name: NODE_NAME
              valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
            - name: NAUTI_CLUSTER_ID
              value: {{ $values.cluster.clusterID | quote }}
            {{- if .isHub }}
            - name: NAUTI_HUB
              value: "true"
            - name: NAUTI_SHARE_NAMESPACE
              value: {{ $values.cluster.sharenamespace | quote }}
            {{- else }}
            {{- with $values.hub.hubURL }}
            - name: NAUTI_HUB_URL
              value: {{ . | quote }}
            {{- end }}
            {{- if $values.cluster.ispublic }}
            - name: NAUTI_PUBLIC
              value: "true"
            {{- end }}
            {{- end }}
            {{- with $values.tunnel.endpoint }}
            - name: NAUTI_ENDPOINT
              value: {{ . | quote }}
            {{- end }}
            {{- if $hostNetwork }}
            - name: NAUTI_ENDPOINT_PORT
              value: {{ $values.service.targetPort | quote }}
            {{- else if eq $values.service.type "NodePort" }}
            - name: NAUTI_ENDPOINT_PORT
              value: {{ $values.service.nodePort | quote }}
            {{- else }}
            - name: NAUTI_ENDPOINT_PORT
              value: {{ $values.service.port | quote }}
            {{- end }}
            {{- if and (not $hostNetwork) (eq "true" (include "nauti.octopusHasService" .)) }}
            - name: NAUTI_SERVICE
              value: {{ include "nauti.name" $octopus }}
            {{- end }}
            - name: NAUTI_POD_IPS
              valueFrom: { fieldRef: { fieldPath: status.podIPs } }
            {{- if $isElected }}
            - name: NAUTI_CLUSTER_ADDRESS
              value: manage
            {{- end }}
            - name: NAUTI_LEASE
              value: {{ include "nauti.name" $octopus }}
            - name: NAUTI_KEY_SECRET
              value: {{ include "nauti.name" $octopus }}-key
            - name: NAUTI_LISTEN_PORT
              value: {{ $values.service.targetPort | quote }}
            - name: NAUTI_WIREGUARD
              value: {{ $values.octopus.wireguard }}
            - name: NAUTI_KEY_ROTATION
              value: {{ $values.octopus.keyRotation }}
            {{- include "nauti.commonEnvironment" .root | nindent 12 }}
          ports:
            - { name: http, containerPort: 8080 }
            - { name: wireguard, containerPort: {{ $values.service.targetPort }}, protocol: UDP }
          volumeMounts:
            - { name: run, mountPath: /run }
            {{- if ne $values.octopus.wireguard "kernel" }}
            - { name: tun, mountPath: /dev/net/tun }
            {{- end }}
      volumes:
        # Sockets of wireguard-go and wg.
        - name: run
          emptyDir: { medium: Memory, sizeLimit: 1Mi }
        {{- if ne $values.octopus.wireguard "kernel" }}
        - name: tun
          hostPath: { path: /dev/net/tun, type: CharDevice }
        {{- end }}
{{- end }}

{{/* On the hub the node port is the hub's own gateway's, unless another one is said. */}}
{{- define "nauti.octopusHasService" -}}
{{- $values := .root.Values -}}
{{- or .isHub (not $values.cluster.hub) $values.cluster.ispublic (ne $values.tunnel.endpoint "") -}}
{{- end }}

{{- define "nauti.octopusService" -}}
{{- $octopus := merge (dict "root" .root) (include "nauti.octopusComponent" . | fromJson) -}}
{{- $service := .root.Values.service -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "nauti.name" $octopus }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" $octopus | nindent 4 }}
spec:
  type: {{ $service.type }}
  {{- if ne $service.type "ClusterIP" }}
  # The addresses of other gateways stay as they are: WireGuard answers to where a packet came from.
  externalTrafficPolicy: Local
  {{- end }}
  # No selector: the gateway that carries the tunnels writes the slices.
  ports:
    - name: wireguard
      protocol: {{ $service.protocol }}
      port: {{ $service.port }}
      targetPort: {{ $service.targetPort }}
      {{- if ne $service.type "ClusterIP" }}
      nodePort: {{ $service.nodePort }}
      {{- end }}
{{- $component := . }}
{{- range $family := list "IPv4" "IPv6" }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {{ include "nauti.name" $octopus }}-{{ lower $family }}
  namespace: {{ $component.root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" $octopus | nindent 4 }}
    kubernetes.io/service-name: {{ include "nauti.name" $octopus }}
    endpointslice.kubernetes.io/managed-by: octopus.nauti.io
addressType: {{ $family }}
{{- end }}
{{- end }}

{{/* Made empty: the gateway may then be allowed them by name, and uninstalling deletes them. */}}
{{- define "nauti.octopusState" -}}
{{- $octopus := merge (dict "root" .root) (include "nauti.octopusComponent" . | fromJson) -}}
apiVersion: v1
kind: Secret
metadata:
  # The keys of the tunnels, kept over restarts and upgrades.
  name: {{ include "nauti.name" $octopus }}-key
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" $octopus | nindent 4 }}
type: Opaque
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  # Which gateway carries the tunnels.
  name: {{ include "nauti.name" $octopus }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" $octopus | nindent 4 }}
{{- end }}

{{- define "nauti.octopusPermissions" -}}
{{- $octopus := merge (dict "root" .root) (include "nauti.octopusComponent" . | fromJson) -}}
{{ include "nauti.serviceAccountObject" $octopus }}
{{ include "nauti.ownManifests" (merge (dict "files" "files/octopus/*.yaml" "rename" "nauti-octopus") $octopus) }}
{{- end }}

{{/* Tunnels come from anywhere; metrics are for who may read them. */}}
{{- define "nauti.octopusPolicies" -}}
{{- $octopus := merge (dict "root" .root) (include "nauti.octopusComponent" . | fromJson) -}}
{{ include "nauti.disruptionBudget" $octopus }}
{{- if .root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "nauti.name" $octopus }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nauti.labels" $octopus | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "nauti.selector" $octopus | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - { port: wireguard, protocol: UDP }
    {{- with .root.Values.networkPolicy.metricsFrom }}
    - from:
        {{- toYaml . | nindent 8 }}
      ports:
        - { port: http, protocol: TCP }
    {{- end }}
{{- end }}
{{- end }}
