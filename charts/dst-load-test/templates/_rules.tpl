{{/*
What can never work is refused, before anything is made. What one value may be is said by values.schema.json, and
which values go together is said here: the rules of `dst-load-controller plan`, in its words. Its numbers are in
files/limits.yaml.
*/}}
{{- define "dst-load-test.validate" -}}
{{- include "dst-load-test.checkNames" . }}
{{- $limits := .Files.Get "files/limits.yaml" | fromYaml }}
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
{{- include "dst-load-test.checkDurations" (list .Values $limits) }}
{{- $groups := (include "dst-load-test.groups" (list $churn $limits) | fromYaml).groups }}
{{- include "dst-load-test.checkTotals" (list .Values $limits $groups) }}
{{- include "dst-load-test.checkBackend" (list .Values $limits $groups) }}
{{- include "dst-load-test.checkCycles" (list $churn $groups) }}
{{- include "dst-load-test.checkSandbox" (list (default dict .Values.sandbox) $limits) }}
{{- end }}

{{/* What the release is called is no value, and no schema judges it. */}}
{{- define "dst-load-test.checkNames" -}}
{{- $namespace := .Release.Namespace }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" $namespace) }}
{{- fail (printf "--namespace: %q is not a DNS label; write at most 63 lower-case letters, digits and inner dashes" $namespace) }}
{{- end }}
{{- $name := include "dst-load-test.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "fullnameOverride: the Services' names would begin with %q; write lower-case letters, digits and inner dashes, a letter first, or give the release such a name" $name) }}
{{- end }}
{{- end }}

{{/* A key that must be there: (list SECTION PLACE KEY). */}}
{{- define "dst-load-test.required" -}}
{{- if not (hasKey (index . 0) (index . 2)) }}
{{- fail (printf "%s: needs %s, which is missing" (index . 1) (index . 2)) }}
{{- end }}
{{- end }}

{{/* The Services that churn makes, as YAML: {groups: [{prefix, first, count, peak, cycling, pattern}]}, with groups
     that have any; (list CHURN LIMITS). Refuses what a pattern lacks. */}}
{{- define "dst-load-test.groups" -}}
{{- $churn := index . 0 }}
{{- $limits := index . 1 }}
{{- $groups := list }}
{{- if or (hasKey $churn "stable") (hasKey $churn "oscillate") (hasKey $churn "provoke") }}
{{- range $key := list "services" "pattern" }}
{{- if hasKey $churn $key }}
{{- fail (printf "churn.%s and the mixed form (churn.stable, churn.oscillate, churn.provoke) exclude each other" $key) }}
{{- end }}
{{- end }}
{{- if hasKey $churn "stable" }}
{{- range $key := list "services" "endpoints" }}
{{- include "dst-load-test.required" (list $churn.stable "churn.stable" $key) }}
{{- end }}
{{- $groups = append $groups (dict "prefix" "stable-svc" "first" 0 "count" (int64 $churn.stable.services) "peak" (int64 $churn.stable.endpoints) "pattern" "stable") }}
{{- end }}
{{- if hasKey $churn "oscillate" }}
{{- include "dst-load-test.required" (list $churn.oscillate "churn.oscillate" "services") }}
{{- include "dst-load-test.checkRange" (list $churn.oscillate "churn.oscillate" "churn.oscillate") }}
{{- include "dst-load-test.required" (list $churn.oscillate "churn.oscillate" "hold") }}
{{- $groups = append $groups (dict "prefix" "oscillate-svc" "first" 0 "count" (int64 $churn.oscillate.services) "peak" (int64 $churn.oscillate.maxEndpoints) "pattern" "oscillate") }}
{{- end }}
{{- if hasKey $churn "provoke" }}
{{- range $key := list "endpoints" "hold" }}
{{- include "dst-load-test.required" (list $churn.provoke "churn.provoke" $key) }}
{{- end }}
{{- $all := dict }}
{{- $kinds := list }}
{{- range $limits.provocations }}
{{- $_ := set $all .kind . }}
{{- $kinds = append $kinds .kind }}
{{- end }}
{{- range $kind := dig "kinds" $kinds $churn.provoke }}
{{- $known := get $all $kind }}
{{- $groups = append $groups (dict "prefix" $known.prefix "first" 1 "count" (dig "services" 1 $churn.provoke | int64) "peak" (mul (int64 $churn.provoke.endpoints) (int64 $known.factor)) "pattern" "provoke") }}
{{- end }}
{{- end }}
{{- else }}
{{- $prefix := dig "servicePrefix" "test-service" $churn }}
{{- $last := printf "%s-%d" $prefix (int64 $churn.services) }}
{{- if gt (len $last) (int $limits.labelLength) }}
{{- fail (printf "churn.servicePrefix: the Service name %q has %d characters; it may have %d" $last (len $last) (int $limits.labelLength)) }}
{{- end }}
{{- $pattern := dig "pattern" "stable" $churn }}
{{- $peak := include "dst-load-test.peak" (list $churn $pattern) | int64 }}
{{- $groups = append $groups (dict "prefix" $prefix "first" 1 "count" (int64 $churn.services) "peak" $peak "pattern" $pattern) }}
{{- end }}
{{- $some := list }}
{{- range $groups }}
{{- if .count }}
{{- $some = append $some . }}
{{- end }}
{{- end }}
{{- if not $some }}
{{- fail "churn: 0 Services leave nothing to do; it is at least 1" }}
{{- end }}
{{- include "dst-load-test.yaml" (dict "groups" $some) }}
{{- end }}

{{/* The most endpoints of a Service: (list CHURN PATTERN). Refuses what the pattern lacks. */}}
{{- define "dst-load-test.peak" -}}
{{- $churn := index . 0 }}
{{- $pattern := index . 1 }}
{{- $place := hasKey $churn "pattern" | ternary "churn.pattern" "churn" }}
{{- $needs := dict
  "stable" (list "endpoints")
  "oscillate" (list "minHold" "maxHold")
  "sawtooth" (list "minHold" "maxHold" "scaleDuration")
  "spike" (list "minHold" "maxHold")
  "batch" (list "batchSize" "batchInterval" "minHold" "maxHold")
  "scale-up" (list "scaleTo" "scaleDuration")
  "rolling-update" (list "endpoints" "minHold") }}
{{- if has $pattern (list "oscillate" "sawtooth" "spike" "batch") }}
{{- include "dst-load-test.checkRange" (list $churn $place "churn") }}
{{- end }}
{{- range $key := get $needs $pattern }}
{{- include "dst-load-test.required" (list $churn $place $key) }}
{{- end }}
{{- if eq $pattern "stable" }}
{{- int64 $churn.endpoints }}
{{- else if eq $pattern "scale-up" }}
{{- if not (hasKey $churn "endpoints") }}
{{- include "dst-load-test.required" (list $churn $place "scaleFrom") }}
{{- end }}
{{- $from := dig "scaleFrom" $churn.endpoints $churn | int64 }}
{{- $to := int64 $churn.scaleTo }}
{{- if eq $from $to }}
{{- fail (printf "churn.scaleTo: from %d to %d nothing would change" $from $to) }}
{{- end }}
{{- max $from $to }}
{{- else if eq $pattern "rolling-update" }}
{{- $endpoints := int64 $churn.endpoints }}
{{- $surge := include "dst-load-test.pods" (list (dig "maxSurge" "25%" $churn) $endpoints "up") | int64 }}
{{- $unavailable := include "dst-load-test.pods" (list (dig "maxUnavailable" "25%" $churn) $endpoints "down") | int64 }}
{{- if not (or $surge $unavailable) }}
{{- fail "churn: maxSurge and maxUnavailable are both 0 pods, so that nothing could be replaced" }}
{{- end }}
{{- add $endpoints $surge }}
{{- else }}
{{- if has $pattern (list "oscillate" "sawtooth" "spike") }}
{{- include "dst-load-test.checkJitter" $churn }}
{{- end }}
{{- int64 $churn.maxEndpoints }}
{{- end }}
{{- end }}

{{/* A number of pods, or a percentage of those there are: (list AMOUNT ENDPOINTS "up"). */}}
{{- define "dst-load-test.pods" -}}
{{- $amount := include "dst-load-test.text" (index . 0) }}
{{- if hasSuffix "%" $amount }}
{{- $pods := mulf (divf (trimSuffix "%" $amount | float64) 100.0) (float64 (index . 1)) }}
{{- eq (index . 2) "up" | ternary (ceil $pods) (floor $pods) | int64 }}
{{- else }}
{{- include "dst-load-test.whole" $amount }}
{{- end }}
{{- end }}

{{/* Digits as a number; those with a zero in front would be taken for octal ones. */}}
{{- define "dst-load-test.whole" -}}
{{- regexFind "[1-9][0-9]*$" . | default "0" | int64 }}
{{- end }}

{{/* minEndpoints and maxEndpoints of a section: (list SECTION PLACE PATH). */}}
{{- define "dst-load-test.checkRange" -}}
{{- $section := index . 0 }}
{{- range $key := list "minEndpoints" "maxEndpoints" }}
{{- include "dst-load-test.required" (list $section (index $ 1) $key) }}
{{- end }}
{{- if ge (int64 $section.minEndpoints) (int64 $section.maxEndpoints) }}
{{- fail (printf "%s.maxEndpoints: %d is not more than minEndpoints, %d" (index . 2) (int64 $section.maxEndpoints) (int64 $section.minEndpoints)) }}
{{- end }}
{{- end }}

{{/* The next scaling would be due before the previous one. */}}
{{- define "dst-load-test.checkJitter" -}}
{{- $churn := . }}
{{- if and (hasKey $churn "jitter") (not (include "dst-load-test.text" $churn.jitter | hasSuffix "%")) }}
{{- range $key := list "minHold" "maxHold" }}
{{- if gt (include "dst-load-test.nanoseconds" (list "churn.jitter" $churn.jitter) | int64) (include "dst-load-test.nanoseconds" (list $key (get $churn $key)) | int64) }}
{{- fail (printf "churn.jitter: %s is more than %s, %s; a Service would overtake itself" $churn.jitter $key (get $churn $key)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What no cluster and no machine could hold: (list VALUES LIMITS GROUPS). */}}
{{- define "dst-load-test.checkTotals" -}}
{{- $values := index . 0 }}
{{- $limits := index . 1 }}
{{- $services := 0 }}
{{- $endpoints := 0 }}
{{- range index . 2 }}
{{- $services = add $services (int64 .count) }}
{{- $endpoints = add $endpoints (mul (int64 .count) (int64 .peak)) }}
{{- end }}
{{- if gt $services (int64 $limits.services) }}
{{- fail (printf "churn: %d Services are more than %d, what Kubernetes supports in a namespace" $services (int64 $limits.services)) }}
{{- end }}
{{- if gt $endpoints (int64 $limits.endpoints) }}
{{- fail (printf "churn: %d endpoints in all are more than %d, the pods that Kubernetes supports in a cluster" $endpoints (int64 $limits.endpoints)) }}
{{- end }}
{{- $asked := $services }}
{{- if hasKey $values "federation" }}
{{- range index . 2 }}
{{- if eq .prefix $limits.localPrefix }}
{{- fail (printf "federation.localServices: the Services %s are churned: local ones need another name than %s" .prefix .prefix) }}
{{- end }}
{{- end }}
{{- $ways := dig "through" (list "remoteDiscovery" "federated") $values.federation }}
{{- if not $ways }}
{{- fail "federation.through: names no way to ask; write [remoteDiscovery, federated]" }}
{{- end }}
{{- $asked = add (mul $services (len $ways)) (dig "localServices" 0 $values.federation | int64) }}
{{- end }}
{{- include "dst-load-test.checkPath" $values.client }}
{{- $counted := "services" }}
{{- if hasKey $values.client "targets" }}
{{- $targets := $values.client.targets }}
{{- $counted = "targets" }}
{{- if kindIs "map" $targets }}
{{- if and (eq (dig "distribution" "zipf" $targets) "uniform") (hasKey $targets "exponent") }}
{{- fail "client.targets.exponent: is of the distribution zipf; leave it out where it is uniform" }}
{{- end }}
{{- $asked = min (int64 $asked) (int64 $targets.count) }}
{{- else }}
{{- $asked = min (int64 $asked) (int64 $targets) }}
{{- end }}
{{- end }}
{{- $streams := float64 $asked }}
{{- range $key := list "streamsPerService" "clients" "replicas" }}
{{- $streams = mulf $streams (dig $key 1 $values.client | float64) }}
{{- end }}
{{- if gt $streams (float64 $limits.streams) }}
{{- fail (printf "client.clients: %.0f streams in all (%s × streamsPerService × clients × replicas) are more than %d" $streams $counted (int64 $limits.streams)) }}
{{- end }}
{{- end }}

{{/* By which way clients reach the controller, and which of them do not read. */}}
{{- define "dst-load-test.checkPath" -}}
{{- $path := dig "path" "direct" . }}
{{- if and (ne $path "sidecar") (hasKey . "identities") }}
{{- fail "client.identities: only with client.path: sidecar do clients share connections by identity" }}
{{- end }}
{{- if and (eq $path "sidecar") (hasKey . "connections") }}
{{- fail "client.connections: with client.path: sidecar, the number of connections is client.identities for each replica of the controller; remove client.connections" }}
{{- end }}
{{- $stalled := dig "stalled" 0 . }}
{{- $place := "client.stalled" }}
{{- if kindIs "map" $stalled }}
{{- $reader := dig "reader" "never" $stalled }}
{{- if and (ne $reader "trickle") (hasKey $stalled "rate") }}
{{- fail "client.stalled.rate: only with reader: trickle is there a rate" }}
{{- end }}
{{- if and (ne $reader "smallWindows") (hasKey $stalled "window") }}
{{- fail "client.stalled.window: only with reader: smallWindows is there a window" }}
{{- end }}
{{- if and (eq $reader "smallWindows") (ne $path "direct") }}
{{- fail "client.stalled.reader: with client.path: sidecar the windows at the controller are the sidecar's; smallWindows needs path: direct" }}
{{- end }}
{{- $stalled = dig "clients" 0 $stalled }}
{{- $place = "client.stalled.clients" }}
{{- end }}
{{- $amount := include "dst-load-test.text" $stalled }}
{{- $clients := dig "clients" 1 . | int64 }}
{{- $count := int64 0 }}
{{- if hasSuffix "%" $amount }}
{{- $share := trimSuffix "%" $amount | float64 }}
{{- $count = round (mulf (divf $share 100.0) (float64 $clients)) 0 | int64 }}
{{- if and (gt $share 0.0) (not $count) }}
{{- $count = int64 1 }}
{{- end }}
{{- else }}
{{- $count = include "dst-load-test.whole" $amount | int64 }}
{{- end }}
{{- if and $count (ge $count $clients) }}
{{- fail (printf "%s: all %d clients of a replica would be stalled, and none judged; it is fewer than client.clients" $place $clients) }}
{{- end }}
{{- end }}

{{/* Which objects make the endpoints, and where their addresses are of: (list VALUES LIMITS GROUPS). */}}
{{- define "dst-load-test.checkBackend" -}}
{{- $values := index . 0 }}
{{- $churn := $values.churn }}
{{- $backend := dig "backend" "deployments" $churn }}
{{- $services := 0 }}
{{- $peak := 0 }}
{{- range index . 2 }}
{{- $services = add $services (int64 .count) }}
{{- $peak = max $peak (int64 .peak) }}
{{- if and (eq .pattern "provoke") (ne $backend "pods") }}
{{- fail "churn.provoke: provoke needs backend: pods, since only endpoints with Pods are mishandled" }}
{{- end }}
{{- end }}
{{- if and (dig "meshed" false $churn) (eq $backend "slices") }}
{{- fail "churn.meshed: bare addresses have no Pods that could look meshed; say backend: deployments or pods" }}
{{- end }}
{{- $addresses := dig "addresses" (index . 1).addresses $churn }}
{{- $first := 0 }}
{{- range splitList "." (regexFind "^[^/]+" $addresses) }}
{{- $first = add (mul $first 256) (include "dst-load-test.whole" . | int64) }}
{{- end }}
{{- $count := 1 }}
{{- range until (sub 32 (regexFind "[^/]+$" $addresses | include "dst-load-test.whole" | int64) | int) }}
{{- $count = mul $count 2 }}
{{- end }}
{{- if mod $first $count }}
{{- fail (printf "churn.addresses: %s has bits set behind its prefix" $addresses) }}
{{- end }}
{{- $last := add $first $count -1 }}
{{- /* 0.0.0.0, 127.0.0.0/8, 169.254.0.0/16 and 224.0.0.0/4. */}}
{{- range list (list 0 0) (list 2130706432 2147483647) (list 2851995648 2852061183) (list 3758096384 4026531839) }}
{{- if and (le $first (index . 1 | int64)) (ge $last (index . 0 | int64)) }}
{{- fail (printf "churn.addresses: %s holds unspecified, loopback, link-local or multicast addresses, which Kubernetes refuses" $addresses) }}
{{- end }}
{{- end }}
{{- if ne $backend "deployments" }}
{{- $services = add $services (dig "localServices" 0 (default dict $values.federation) | int64) }}
{{- $shares := 1 }}
{{- range until 64 }}
{{- if lt $shares $services }}
{{- $shares = mul $shares 2 }}
{{- end }}
{{- end }}
{{- if lt (div $count $shares) $peak }}
{{- fail (printf "churn.addresses: %s has %d addresses for each of %d Services, which have up to %d endpoints" $addresses (div $count $shares) $services $peak) }}
{{- end }}
{{- end }}
{{- end }}

{{/* (list CHURN GROUPS) */}}
{{- define "dst-load-test.checkCycles" -}}
{{- $churn := index . 0 }}
{{- $cycling := list }}
{{- range index . 1 }}
{{- if ne .pattern "stable" }}
{{- $cycling = append $cycling .pattern }}
{{- end }}
{{- end }}
{{- if hasKey $churn "cycles" }}
{{- if not $cycling }}
{{- fail "churn.cycles: the pattern stable has no cycles; end the run with churn.duration" }}
{{- end }}
{{- if and (eq (first $cycling) "scale-up") (gt (int64 $churn.cycles) 1) }}
{{- fail "churn.cycles: the pattern scale-up has one cycle; end the run with churn.duration" }}
{{- end }}
{{- end }}
{{- end }}

{{/* The chart ignores the sandbox, but not what is wrong with it: (list SANDBOX LIMITS). */}}
{{- define "dst-load-test.checkSandbox" -}}
{{- $sandbox := index . 0 }}
{{- $limits := index . 1 }}
{{- $nodes := dig "nodes" (int64 $limits.nodes) $sandbox | int64 }}
{{- if gt (dig "zones" 1 $sandbox | int64) $nodes }}
{{- fail (printf "sandbox.zones: %d is more than the %d Nodes there are to be in them" (int64 $sandbox.zones) $nodes) }}
{{- end }}
{{- $replicas := dig "replicas" 1 $sandbox | int64 }}
{{- range $index, $fault := dig "faults" list $sandbox }}
{{- $place := printf "sandbox.faults[%d]" $index }}
{{- if not (hasKey $fault "kind") }}
{{- fail (printf "%s: kind is missing" $place) }}
{{- end }}
{{- if hasKey $fault "replica" }}
{{- if not (has $fault.kind $limits.faults.destination) }}
{{- fail (printf "%s.replica: only faults of the destination strike a replica of it" $place) }}
{{- end }}
{{- if gt (int64 $fault.replica) $replicas }}
{{- fail (printf "%s.replica: there is no such replica; sandbox.replicas is %d, and they count from 1" $place $replicas) }}
{{- end }}
{{- end }}
{{- if and (hasKey $fault "resource") (not (has $fault.kind $limits.faults.observer)) }}
{{- fail (printf "%s.resource: only faults of the observer's watch strike one resource's" $place) }}
{{- end }}
{{- if and (has $fault.kind $limits.faults.delaying) (eq "0" (include "dst-load-test.nanoseconds" (list $place (dig "delay" 0 $fault)))) }}
{{- fail (printf "%s: this kind of fault needs a delay of at least 1ms" $place) }}
{{- end }}
{{- $share := dig "share" 1 $fault | include "dst-load-test.text" }}
{{- if and (hasSuffix "%" $share) (gt (trimSuffix "%" $share | float64) 100.0) }}
{{- fail (printf "%s.share: %s is more than 100%%" $place $share) }}
{{- end }}
{{- end }}
{{- end }}
