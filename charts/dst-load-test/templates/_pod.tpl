{{/* What the pods of churner and clients have in common. Each define takes (list . "churn") or (list . "client"). */}}

{{- define "dst-load-test.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* Labels of a component's pods: (list . "churn" OWN). */}}
{{- define "dst-load-test.podLabels" -}}
{{- $root := index . 0 }}
{{- $half := index . 1 }}
{{- $own := dict "app.kubernetes.io/component" $half }}
{{- range $key, $value := index . 2 }}
{{- $_ := set $own $key $value }}
{{- end }}
{{- include "dst-load-test.labels" (dict "root" $root "own" $own "further" (list $root.Values.podLabels (index $root.Values $half).podLabels)) | fromJson | include "dst-load-test.yaml" }}
{{- end }}

{{/* Annotations of a component's pods: (list . "churn" OWN). A proxy in the pod is refused even where the namespace asks
     for one. A meshed client keeps what it observes by (the API server) and what it is observed by (port 9990) out
     of its proxy. */}}
{{- define "dst-load-test.podAnnotations" -}}
{{- $root := index . 0 }}
{{- $half := index . 1 }}
{{- $mesh := dict "linkerd.io/inject" "disabled" }}
{{- if and $root.Values.mesh.enabled (eq $half "client") }}
{{- $mesh = dict "linkerd.io/inject" "enabled" "config.linkerd.io/skip-outbound-ports" "443,6443,9990" "config.linkerd.io/skip-inbound-ports" "9990" "config.linkerd.io/proxy-await" "enabled" }}
{{- end }}
{{- include "dst-load-test.joined" (list $mesh $root.Values.podAnnotations (index $root.Values $half).podAnnotations (index . 2)) | fromJson | include "dst-load-test.yaml" }}
{{- end }}

{{/* Where the pods may run, and as whom. */}}
{{- define "dst-load-test.placement" -}}
{{- $root := index . 0 }}
{{- $half := index . 1 }}
{{- $own := index $root.Values $half -}}
{{- with $root.Values.imagePullSecrets -}}
imagePullSecrets:
  {{- include "dst-load-test.yaml" . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
securityContext:
  {{- include "dst-load-test.filled" $root.Values.podSecurityContext | nindent 2 }}
{{- /* A Service named dst-load would set DST_LOAD_PORT, which is one of the tool's own settings. */}}
enableServiceLinks: false
{{- with include "dst-load-test.joined" (list $root.Values.nodeSelector $own.nodeSelector) | fromJson }}
nodeSelector:
  {{- include "dst-load-test.yaml" . | nindent 2 }}
{{- end }}
{{- with concat $root.Values.tolerations $own.tolerations }}
tolerations:
  {{- include "dst-load-test.yaml" . | nindent 2 }}
{{- end }}
{{- with include "dst-load-test.affinity" . | fromJson }}
affinity:
  {{- include "dst-load-test.yaml" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The values' affinity in JSON, and beside it that no node is KWOK's. Terms are alternatives, so each must say it. */}}
{{- define "dst-load-test.affinity" -}}
{{- $root := index . 0 }}
{{- $own := index $root.Values (index . 1) }}
{{- $affinity := deepCopy (default $root.Values.affinity $own.affinity) }}
{{- if $root.Values.kwok.avoidNodes }}
{{- $real := dict "key" "type" "operator" "NotIn" "values" (list "kwok") }}
{{- $required := "requiredDuringSchedulingIgnoredDuringExecution" }}
{{- $node := default (dict) $affinity.nodeAffinity }}
{{- $given := dig $required "nodeSelectorTerms" (list) $node }}
{{- $terms := list }}
{{- range default (list (dict)) $given }}
{{- $expressions := append (default (list) .matchExpressions) $real }}
{{- $terms = append $terms (merge (dict "matchExpressions" $expressions) (omit . "matchExpressions")) }}
{{- end }}
{{- $_ := set $node $required (dict "nodeSelectorTerms" $terms) }}
{{- $_ := set $affinity "nodeAffinity" $node }}
{{- end }}
{{- toJson $affinity }}
{{- end }}

{{/* The container, but for its arguments, volumes and environment. */}}
{{- define "dst-load-test.container" -}}
{{- $root := index . 0 }}
{{- $half := index . 1 -}}
image: {{ include "dst-load-test.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy | quote }}
securityContext:
  {{- include "dst-load-test.filled" $root.Values.securityContext | nindent 2 }}
resources:
  {{- include "dst-load-test.filled" (index $root.Values $half | dig "resources" $root.Values.resources) | nindent 2 }}
{{- end }}

{{/* A part of a Pod without sections that have nothing in them: what was in them has been taken away. */}}
{{- define "dst-load-test.filled" -}}
{{- $filled := dict }}
{{- range $key, $value := . }}
{{- if or $value (not (kindIs "map" $value)) }}
{{- $_ := set $filled $key $value }}
{{- end }}
{{- end }}
{{- include "dst-load-test.yaml" $filled }}
{{- end }}

{{/* Environment variables of the values; each `value` is a text, whatever YAML took it for. */}}
{{- define "dst-load-test.env" -}}
{{- $variables := list }}
{{- range . }}
{{- $variable := omit . "value" }}
{{- if hasKey . "value" }}
{{- $_ := set $variable "value" (include "dst-load-test.text" .value) }}
{{- end }}
{{- $variables = append $variables $variable }}
{{- end }}
{{- include "dst-load-test.yaml" $variables }}
{{- end }}

{{/* Ports and probes. A busy process must not be restarted: only minutes without an answer end it, because its measurements are lost then. */}}
{{- define "dst-load-test.probes" -}}
ports:
  - name: admin
    containerPort: 9990
    protocol: TCP
startupProbe:
  httpGet:
    path: /live
    port: admin
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /live
    port: admin
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 9
readinessProbe:
  httpGet:
    path: /ready
    port: admin
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* The name of an argument that is a flag, or nothing. */}}
{{- define "dst-load-test.flag" -}}
{{- include "dst-load-test.text" . | regexFind "^--[a-z-]+" }}
{{- end }}

{{/* Refuses what the values add and the chart gives already: (list HALF ARGS ENV FURTHER). The tool takes no argument
     twice, so that the Pod would never start. FURTHER are the half's values. */}}
{{- define "dst-load-test.checkAdded" -}}
{{- $half := index . 0 }}
{{- $given := list }}
{{- range index . 1 }}
{{- $given = append $given (include "dst-load-test.flag" .) }}
{{- end }}
{{- /* These are lists. */}}
{{- $given = without $given "" "--destination" "--destination-metrics" }}
{{- range (index . 3).extraArgs }}
{{- $flag := include "dst-load-test.flag" . }}
{{- if has $flag $given }}
{{- fail (printf "%s.extraArgs: the chart gives %s itself, and it cannot be given twice; remove it" $half $flag) }}
{{- end }}
{{- end }}
{{- $names := index . 2 }}
{{- range (index . 3).extraEnv }}
{{- if has .name $names }}
{{- fail (printf "%s.extraEnv: the variable %s is there already; remove one" $half .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}

{{/* One argument a line, whatever YAML took it for. */}}
{{- define "dst-load-test.args" -}}
{{- $texts := list }}
{{- range . }}
{{- $texts = append $texts (include "dst-load-test.text" .) }}
{{- end }}
{{- include "dst-load-test.yaml" $texts }}
{{- end }}

{{/* How the clients reach what they ask and what they observe: arguments of `client`, and of its test, in JSON. */}}
{{- define "dst-load-test.clientArgs" -}}
{{- $args := list "--destination" (include "dst-load-test.destination" .) }}
{{- with .Values.destination.metrics }}
{{- $args = concat $args (list "--destination-metrics" (join "," .)) }}
{{- end }}
{{- toJson (dict "args" $args) }}
{{- end }}
