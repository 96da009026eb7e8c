{{/* The scenario: the values' sections of that name, without the keys that only the chart reads. */}}

{{- define "dst-load-test.scenario" -}}
{{- $pod := list "enabled" "resources" "extraArgs" "extraEnv" "podAnnotations" "podLabels" "nodeSelector" "tolerations" "affinity" }}
{{- $chartOnly := dict
  "churn" (concat $pod (list "startDelay" "qps" "burst"))
  "client" (concat $pod (list "churnUrl" "observe" "snapshotSize"))
  "federation" (list "standIns") }}
{{- $scenario := dict }}
{{- range $section := list "scenario" "churn" "client" "federation" "measure" "criteria" "target" "sandbox" }}
{{- if hasKey $.Values $section }}
{{- $keys := index $.Values $section | default dict | deepCopy }}
{{- range $key := index $chartOnly $section }}
{{- $_ := unset $keys $key }}
{{- end }}
{{- if or $keys (eq $section "federation") }}
{{- $_ := set $scenario $section $keys }}
{{- end }}
{{- end }}
{{- end }}
{{- include "dst-load-test.yaml" $scenario }}
{{- end }}

{{/* The name of the ConfigMap that has it. */}}
{{- define "dst-load-test.scenarioName" -}}
{{ printf "%s-scenario" (include "dst-load-test.fullname" .) }}
{{- end }}

{{/* The names of the Services that churn makes, as YAML: {names: […]}. */}}
{{- define "dst-load-test.services" -}}
{{- $limits := .Files.Get "files/limits.yaml" | fromYaml }}
{{- $names := list }}
{{- range $group := (include "dst-load-test.groups" (list .Values.churn $limits) | fromYaml).groups }}
{{- range $n := until (int $group.count) }}
{{- $names = append $names (printf "%s-%d" $group.prefix (add $n $group.first)) }}
{{- end }}
{{- end }}
{{- include "dst-load-test.yaml" (dict "names" $names) }}
{{- end }}
