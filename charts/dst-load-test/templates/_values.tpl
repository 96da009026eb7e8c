{{/*
The values as the templates read them. Every template begins with it, and the first one to do so does the work:
what is null is absent, what is absent has its default, and what cannot work is refused before anything is made.

A key that is null, or whose children are all commented out, is as one that was never written. Helm deletes it
together with the chart's own default, or leaves a null, so defaults are filled in from files/defaults.yaml.
*/}}
{{- define "dst-load-test.values" -}}
{{- if not (hasKey .Values "ready") }}
{{- include "dst-load-test.prune" .Values }}
{{- include "dst-load-test.fill" (list .Values (.Files.Get "files/defaults.yaml" | fromYaml)) }}
{{- include "dst-load-test.validate" . }}
{{- $_ := set .Values "ready" true }}
{{- end }}
{{- end }}

{{/* Removes what is null, at every depth. In `resources` a part that is null is an empty one: it stands for
     "none", where leaving it out would stand for "as by default". */}}
{{- define "dst-load-test.prune" -}}
{{- range $key, $value := . }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $ $key }}
{{- else if kindIs "map" $value }}
{{- if eq $key "resources" }}
{{- range $part, $amounts := $value }}
{{- if kindIs "invalid" $amounts }}
{{- $_ := set $value $part dict }}
{{- end }}
{{- end }}
{{- end }}
{{- include "dst-load-test.prune" $value }}
{{- else if kindIs "slice" $value }}
{{- $items := list }}
{{- range $item := $value }}
{{- if kindIs "map" $item }}
{{- include "dst-load-test.prune" $item }}
{{- end }}
{{- if not (kindIs "invalid" $item) }}
{{- $items = append $items $item }}
{{- end }}
{{- end }}
{{- $_ := set $ $key $items }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fills in defaults: (list VALUES DEFAULTS). What Kubernetes defines is taken as a whole, or no entry of it
     could be taken away. */}}
{{- define "dst-load-test.fill" -}}
{{- $values := index . 0 }}
{{- range $key, $default := index . 1 }}
{{- if not (hasKey $values $key) }}
{{- $_ := set $values $key $default }}
{{- else if and (kindIs "map" $default) (not (has $key (list "resources" "podSecurityContext" "securityContext" "labels"))) }}
{{- include "dst-load-test.fill" (list (get $values $key) $default) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A scalar as text, whatever YAML took it for: no number has an exponent. */}}
{{- define "dst-load-test.text" -}}
{{- if kindIs "string" . }}{{ toString . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* Anything as YAML. toYaml is silent about what it cannot write, and leaves all of it out. */}}
{{- define "dst-load-test.yaml" -}}
{{- $text := toYaml . }}
{{- if not $text }}
{{- fail "a value here has a character that YAML cannot have, such as a control character or U+FFFE" }}
{{- end }}
{{- $text }}
{{- end }}

{{/* A value as it is shown in a terminal: without control characters. */}}
{{- define "dst-load-test.shown" -}}
{{- regexReplaceAll "[\\x00-\\x1f\\x7f-\\x{9f}]" (include "dst-load-test.text" .) "" }}
{{- end }}

{{/* Maps of texts as one, in JSON: (list MAP MAP …). A later one wins, and no key is there twice. What is read again
     is JSON: fromYaml does not read every text that toYaml writes, and says so in place of the map. */}}
{{- define "dst-load-test.joined" -}}
{{- $joined := dict }}
{{- range $map := . }}
{{- range $key, $value := $map }}
{{- $_ := set $joined $key (include "dst-load-test.text" $value) }}
{{- end }}
{{- end }}
{{- toJson $joined }}
{{- end }}
