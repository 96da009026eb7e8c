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
{{- toYaml $scenario }}
{{- end }}

{{/* The names of the Services that churn makes, as YAML: {names: […]}. */}}
{{- define "dst-load-test.services" -}}
{{- $churn := .Values.churn }}
{{- $names := list }}
{{- if hasKey $churn "services" }}
{{- range $n := untilStep 1 (int (add1 (int $churn.services))) 1 }}
{{- $names = append $names (printf "%s-%d" (default "test-service" $churn.servicePrefix) $n) }}
{{- end }}
{{- end }}
{{- range $group := list "stable" "oscillate" }}
{{- range $n := until (int (dig $group "services" 0 $churn)) }}
{{- $names = append $names (printf "%s-svc-%d" $group $n) }}
{{- end }}
{{- end }}
{{- if hasKey $churn "provoke" }}
{{- $all := list "portChanged" "addressChanged" "podMoved" "sharedEndpoint" "sliceAfterPods" "sliceBeforePods" "serviceRecreated" }}
{{- $provoke := $churn.provoke | default dict }}
{{- range $kind := default $all $provoke.kinds }}
{{- range $n := untilStep 1 (int (add1 (int (default 1 $provoke.services)))) 1 }}
{{- $names = append $names (printf "%s-%d" (kebabcase $kind) $n) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml (dict "names" $names) }}
{{- end }}
