{{/* Durations as Go writes them, exactly: what the tool refuses of them is refused here. */}}

{{/* Nanoseconds: (list PLACE DURATION). Each part is cut to whole ones, as the tool does. */}}
{{- define "dst-load-test.nanoseconds" -}}
{{- $place := index . 0 }}
{{- $text := include "dst-load-test.text" (index . 1) }}
{{- $units := dict "h" 3600000000000 "m" 60000000000 "s" 1000000000 "ms" 1000000 "us" 1000 "µs" 1000 "μs" 1000 "ns" 1 }}
{{- $longest := 316224000000000000 }}
{{- $sum := int64 0 }}
{{- range $part := regexFindAll "[0-9.]+[^0-9.]+" $text -1 }}
{{- $number := regexFind "^[0-9.]+" $part }}
{{- $scale := get $units (trimPrefix $number $part) | int64 }}
{{- $digits := regexFind "^[0-9]+" $number }}
{{- $decimals := trimPrefix $digits $number | trimPrefix "." }}
{{- if or (gt (len $digits) 18) (gt (len $decimals) 15) }}
{{- fail (printf "%s: %s is not a duration; write for example 500ms, 2m or 1h30m" $place $text) }}
{{- end }}
{{- $whole := include "dst-load-test.whole" $digits | int64 }}
{{- if gt $whole (div $longest $scale) }}
{{- fail (printf "%s: %s is too long; at most 10 years can be planned" $place $text) }}
{{- end }}
{{- /* 15 decimals, five at a time from the last: no product is too large for an integer. */}}
{{- $decimals = printf "%s%s" $decimals (repeat (sub 15 (len $decimals) | int) "0") }}
{{- $rest := int64 0 }}
{{- range $at := list 10 5 0 }}
{{- $some := substr $at (add $at 5 | int) $decimals | include "dst-load-test.whole" | int64 }}
{{- $rest = div (add (mul $some $scale) $rest) 100000 }}
{{- end }}
{{- $sum = add $sum (mul $whole $scale) $rest }}
{{- if gt $sum $longest }}
{{- fail (printf "%s: %s is too long; at most 10 years can be planned" $place $text) }}
{{- end }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* Every duration of the values: (list VALUES LIMITS). Timers are on the plan's grid of milliseconds, and are not
     zero; what only waits may be. */}}
{{- define "dst-load-test.checkDurations" -}}
{{- $values := index . 0 }}
{{- $latest := (index . 1).latencySeconds | int64 | mul 1000000000 }}
{{- $churn := $values.churn }}
{{- $found := list }}
{{- range $key := list "minHold" "maxHold" "scaleDuration" "batchInterval" "duration" }}
{{- $found = append $found (list (printf "churn.%s" $key) (get $churn $key) "timer") }}
{{- end }}
{{- range $key := list "oscillate" "provoke" }}
{{- $found = append $found (list (printf "churn.%s.hold" $key) (dig $key "hold" "" $churn) "timer") }}
{{- end }}
{{- $jitter := get $churn "jitter" | include "dst-load-test.text" }}
{{- if not (hasSuffix "%" $jitter) }}
{{- $found = append $found (list "churn.jitter" $jitter "wait") }}
{{- end }}
{{- $found = append $found (list "churn.startDelay" $churn.startDelay "any") }}
{{- range $key := list "streamMaxLifetime" "streamResetInterval" }}
{{- $found = append $found (list (printf "client.%s" $key) (get $values.client $key) "timer") }}
{{- end }}
{{- $found = append $found (list "federation.localEvery" (dig "localEvery" "" (default dict $values.federation)) "timer") }}
{{- $found = append $found (list "measure.deadline" (dig "deadline" "" (default dict $values.measure)) "deadline") }}
{{- $criteria := default dict $values.criteria }}
{{- range $key := list "everyClientWithin" "firstEndpoint" "retained" }}
{{- $found = append $found (list (printf "criteria.%s" $key) (get $criteria $key) "latency") }}
{{- end }}
{{- range $section := list "updateLatency" "endToEnd" }}
{{- range $key, $limit := dig $section dict $criteria }}
{{- $found = append $found (list (printf "criteria.%s.%s" $section $key) $limit "latency") }}
{{- end }}
{{- end }}
{{- $sandbox := default dict $values.sandbox }}
{{- $found = append $found (list "sandbox.sliceSync" (get $sandbox "sliceSync") "wait") }}
{{- $podStart := get $sandbox "podStart" }}
{{- if kindIs "map" $podStart }}
{{- range $key := list "min" "max" }}
{{- $found = append $found (list (printf "sandbox.podStart.%s" $key) (get $podStart $key) "wait") }}
{{- end }}
{{- else }}
{{- $found = append $found (list "sandbox.podStart" $podStart "wait") }}
{{- end }}
{{- range $index, $fault := dig "faults" list $sandbox }}
{{- range $key, $kind := dict "at" "wait" "delay" "wait" "lasts" "timer" }}
{{- $found = append $found (list (printf "sandbox.faults[%d].%s" $index $key) (get $fault $key) $kind) }}
{{- end }}
{{- end }}
{{- range $found }}
{{- $text := index . 1 | include "dst-load-test.text" }}
{{- if $text }}
{{- $span := include "dst-load-test.nanoseconds" . | int64 }}
{{- $kind := index . 2 }}
{{- if and (has $kind (list "timer" "deadline")) (not $span) }}
{{- fail (printf "%s: %s is too short; it is at least 1ms" (index . 0) $text) }}
{{- end }}
{{- if and (has $kind (list "timer" "wait" "deadline")) (mod $span 1000000) }}
{{- fail (printf "%s: %s is not a whole number of milliseconds, which is the plan's grid" (index . 0) $text) }}
{{- end }}
{{- if and (eq $kind "deadline") (gt $span $latest) }}
{{- fail (printf "%s: a deadline is 24h at the most" (index . 0)) }}
{{- end }}
{{- if and (eq $kind "latency") (gt $span $latest) }}
{{- fail (printf "%s: a latency limit is 24h at the most" (index . 0)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if kindIs "map" $podStart }}
{{- if gt (include "dst-load-test.nanoseconds" (list "" $podStart.min) | int64) (include "dst-load-test.nanoseconds" (list "" $podStart.max) | int64) }}
{{- fail (printf "sandbox.podStart.max: min %s is more than max %s" (include "dst-load-test.text" $podStart.min) (include "dst-load-test.text" $podStart.max)) }}
{{- end }}
{{- end }}
{{- range $key := list "memoryMax" "memorySpike" }}
{{- $size := dig "target" $key "" $criteria | include "dst-load-test.text" }}
{{- if $size }}
{{- if gt (include "dst-load-test.bytes" $size | float64) 1152921504606846976.0 }}
{{- fail (printf "criteria.target.%s: %s is more than any process can hold" $key $size) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
