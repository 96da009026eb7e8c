{{/* What all templates share: names, labels, and which component is enabled. */}}

{{- define "dst-load-test.name" -}}
{{- include "dst-load-test.cut" (default .Chart.Name .Values.nameOverride) }}
{{- end }}

{{/* At most 48 characters: with "-churn-" and a hash it is a Pod's name, of which 63 are its hostname. */}}
{{- define "dst-load-test.cut" -}}
{{- regexReplaceAll "-+$" (trunc 48 .) "" }}
{{- end }}

{{/* What the names of the release's objects begin with. */}}
{{- define "dst-load-test.fullname" -}}
{{- $name := include "dst-load-test.name" . }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $name = .Release.Name }}
{{- else }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- include "dst-load-test.cut" $name }}
{{- end }}

{{/* The labels by which Services, monitors and policies find the release's pods. */}}
{{- define "dst-load-test.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dst-load-test.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of an object, in JSON: (dict "root" $ "own" OWN "further" (list MAP …)). Those that the chart sets
     itself win over those of the values: by them selectors, Helm and the reports find the objects. Those that Kubernetes
     sets on the pods of Jobs and Deployments are left to it: the API server refuses a Job with another one. */}}
{{- define "dst-load-test.labels" -}}
{{- $root := .root }}
{{- $release := include "dst-load-test.selectorLabels" $root | fromYaml }}
{{- $chart := dict
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") }}
{{- $given := concat (list $root.Values.commonLabels) (default list .further) | include "dst-load-test.joined" | fromJson }}
{{- $given = omit $given "controller-uid" "job-name" "batch.kubernetes.io/controller-uid" "batch.kubernetes.io/job-name" "pod-template-hash" }}
{{- list $given $chart $release (default dict .own) | include "dst-load-test.joined" }}
{{- end }}

{{/* An object's metadata, in YAML: (dict "root" $ "name" NAME "own" LABELS "further" (list LABELS …)
     "annotations" ANNOTATIONS "clusterScoped" true). All but root and name may be absent. */}}
{{- define "dst-load-test.metadata" -}}
{{- include "dst-load-test.yaml" (dict "name" .name) }}
{{- if not .clusterScoped }}
{{ include "dst-load-test.yaml" (dict "namespace" .root.Release.Namespace) }}
{{- end }}
{{ include "dst-load-test.yaml" (dict "labels" (include "dst-load-test.labels" . | fromJson)) }}
{{- with .annotations }}
{{ include "dst-load-test.yaml" (dict "annotations" (include "dst-load-test.joined" (list .) | fromJson)) }}
{{- end }}
{{- end }}

{{/* The name of a component's ServiceAccount: (list . "churn"). */}}
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

{{/* Whether the cluster knows a kind, as "true" or nothing: (list . "GROUP/VERSION" "KIND"). A cluster lists its
     kinds; `--api-versions GROUP/VERSION` alone stands for all kinds of that version. */}}
{{- define "dst-load-test.known" -}}
{{- $version := index . 1 }}
{{- $kinds := list }}
{{- range (index . 0).Capabilities.APIVersions }}
{{- if hasPrefix (printf "%s/" $version) . }}
{{- $kinds = append $kinds (trimPrefix (printf "%s/" $version) .) }}
{{- end }}
{{- end }}
{{- if or (has (index . 2) $kinds) (and (not $kinds) ((index . 0).Capabilities.APIVersions.Has $version)) -}}
true
{{- end }}
{{- end }}

{{/* Whether an object of Prometheus' operator is wanted, as "true" or nothing:
     (dict "root" . "enabled" VALUE "kind" KIND). */}}
{{- define "dst-load-test.wanted" -}}
{{- $enabled := include "dst-load-test.text" .enabled }}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") (include "dst-load-test.known" (list .root "monitoring.coreos.com/v1" .kind))) -}}
true
{{- end }}
{{- end }}

{{/* Whether there is a ServiceMonitor, and whether a PodMonitor: never both, or all would be scraped twice. */}}
{{- define "dst-load-test.serviceMonitor" -}}
{{- include "dst-load-test.wanted" (dict "root" . "enabled" .Values.monitoring.serviceMonitor.enabled "kind" "ServiceMonitor") }}
{{- end }}
{{- define "dst-load-test.podMonitor" -}}
{{- $enabled := .Values.monitoring.podMonitor.enabled }}
{{- if include "dst-load-test.serviceMonitor" . }}
{{- if eq (toString $enabled) "true" }}
{{- fail "monitoring.podMonitor and monitoring.serviceMonitor are both enabled, and everything would be scraped twice; disable one" }}
{{- end }}
{{- else }}
{{- include "dst-load-test.wanted" (dict "root" . "enabled" $enabled "kind" "PodMonitor") }}
{{- end }}
{{- end }}

{{/* The destination controller's replicas, with commas. */}}
{{- define "dst-load-test.destination" -}}
{{- $address := .Values.destination.address }}
{{- if kindIs "slice" $address }}{{ join "," $address }}{{ else }}{{ $address }}{{ end }}
{{- end }}

{{/* Where the clients open streams of the policy API; nothing if they do not, or at the destination controller's address. */}}
{{- define "dst-load-test.policy" -}}
{{- if and .Values.client.policies .Values.destination.policy }}
{{- .Values.destination.policy }}
{{- end }}
{{- end }}

{{/* Where the clients read what the policy controller uses; nothing if they do not. */}}
{{- define "dst-load-test.policyMetrics" -}}
{{- if .Values.client.policies }}
{{- .Values.destination.policyMetrics }}
{{- end }}
{{- end }}

{{/* Where the clients read churn's events; nothing if there is no churn to read them of. */}}
{{- define "dst-load-test.churnUrl" -}}
{{- if .Values.client.churnUrl }}
{{- .Values.client.churnUrl }}
{{- else if .Values.churn.enabled }}
{{- printf "http://%s-churn.%s.svc:9990" (include "dst-load-test.fullname" .) .Release.Namespace }}
{{- end }}
{{- end }}

{{/* What makes the clients' pods. Those of a StatefulSet have a number each. */}}
{{- define "dst-load-test.clientKind" -}}
{{ hasKey .Values.client "targets" | ternary "StatefulSet" "Deployment" }}
{{- end }}
