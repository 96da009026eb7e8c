{{/* What all templates share: names, labels, and which half is wanted. */}}

{{- define "dst-load-test.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* At most 48 characters: with "-churn-" and a hash it is a Pod's name, of which 63 are its hostname. */}}
{{- define "dst-load-test.fullname" -}}
{{- $name := include "dst-load-test.name" . }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $name = .Release.Name }}
{{- else }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- $name | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* The labels by which Services, monitors and policies find the release's pods. */}}
{{- define "dst-load-test.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dst-load-test.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of every object. */}}
{{- define "dst-load-test.labels" -}}
{{ include "dst-load-test.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The name of a half's ServiceAccount: (list . "churn"). */}}
{{- define "dst-load-test.serviceAccount" -}}
{{- $root := index . 0 }}
{{- $half := index . 1 }}
{{- $given := index $root.Values.serviceAccount (printf "%sName" $half) }}
{{- if $given }}
{{- $given }}
{{- else if $root.Values.serviceAccount.create }}
{{- printf "%s-%s" (include "dst-load-test.fullname" $root) $half }}
{{- else -}}
default
{{- end }}
{{- end }}

{{/* The cluster-scoped objects' name, which no other release has. */}}
{{- define "dst-load-test.clusterName" -}}
{{ printf "%s-%s-nodes" .Release.Namespace (include "dst-load-test.fullname" .) }}
{{- end }}

{{/* Whether an object of a kind that may be unknown is wanted, as "true" or nothing:
     (dict "root" . "enabled" VALUE "api" "GROUP/VERSION/KIND"). */}}
{{- define "dst-load-test.wanted" -}}
{{- $known := .root.Capabilities.APIVersions.Has .api }}
{{- if or (eq (toString .enabled) "true") (and (eq (toString .enabled) "auto") $known) -}}
true
{{- end }}
{{- end }}

{{/* Whether there is a ServiceMonitor, and whether a PodMonitor: never both, or all would be scraped twice. */}}
{{- define "dst-load-test.serviceMonitor" -}}
{{- include "dst-load-test.wanted" (dict "root" . "enabled" .Values.monitoring.serviceMonitor.enabled "api" "monitoring.coreos.com/v1/ServiceMonitor") }}
{{- end }}
{{- define "dst-load-test.podMonitor" -}}
{{- $enabled := .Values.monitoring.podMonitor.enabled }}
{{- if include "dst-load-test.serviceMonitor" . }}
{{- if eq (toString $enabled) "true" }}
{{- fail "monitoring.podMonitor and monitoring.serviceMonitor are both enabled, and everything would be scraped twice; disable one" }}
{{- end }}
{{- else }}
{{- include "dst-load-test.wanted" (dict "root" . "enabled" $enabled "api" "monitoring.coreos.com/v1/PodMonitor") }}
{{- end }}
{{- end }}

{{/* What can never work is refused, before anything is made. */}}
{{- define "dst-load-test.validate" -}}
{{- $churn := .Values.churn }}
{{- if not (or (hasKey $churn "services") (hasKey $churn "stable") (hasKey $churn "oscillate") (hasKey $churn "provoke")) }}
{{- fail "churn.services is missing; say how many Services to make: helm install … -f values/scenarios/quick.yaml" }}
{{- end }}
{{- if not (or $churn.enabled .Values.client.enabled) }}
{{- fail "churn.enabled and client.enabled are both false, and nothing is left; enable one" }}
{{- end }}
{{- if and .Values.client.enabled (not (include "dst-load-test.destination" .)) }}
{{- fail "destination.address is missing; say which controller to ask: HOST:PORT" }}
{{- end }}
{{- end }}

{{/* The destination controller's replicas, with commas. */}}
{{- define "dst-load-test.destination" -}}
{{- $address := .Values.destination.address }}
{{- if kindIs "slice" $address }}{{ join "," $address }}{{ else }}{{ $address }}{{ end }}
{{- end }}

{{/* Where the clients read churn's events; nothing if there is no churn to read them of. */}}
{{- define "dst-load-test.churnUrl" -}}
{{- if .Values.client.churnUrl }}
{{- .Values.client.churnUrl }}
{{- else if .Values.churn.enabled }}
{{- printf "http://%s-churn.%s.svc:9990" (include "dst-load-test.fullname" .) .Release.Namespace }}
{{- end }}
{{- end }}
