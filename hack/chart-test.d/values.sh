# Sourced by chart-test: what any value does to what is rendered, key by key.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, chart, parts, work, helm, tool, scenarios, kubernetes: of chart-test.

test_values() {
    heading "what its values do"
    check "files/defaults.yaml has the defaults of values.yaml" defaults_same
    check "null is absent: each key of values.yaml" nulls_absent
    check "null is absent: each key of a scenario, and within lists" scenario_nulls
    check "null is absent: as values of a parent chart" parent_nulls
    check "null is absent: each key of each scenario, in the chart as in plan" scenario_keys
    check "null is absent: the chart of fake Nodes" kwok_nulls
    check "null takes away what Kubernetes defines" nulls_remove
    check "no label of the values replaces one of the chart's" labels_kept
    check "no key is there twice, whatever is given" strict
    check "texts stay as they were written" texts
    check "no text becomes more than a scalar, whatever is in it" hostile
    check "a half's resources stand in place of the general ones" resources_in_place
    check "0 and false are values" zeros
    check "monitors come with --api-versions, by version or by kind" api_versions
    [[ -n $tool ]] && check "the chart and plan take and refuse the same" agreement
    return 0
}

# What values.yaml says, without what it tells people.
plain_defaults() { sed -e '/^ *#/d' -e '/^$/d' "$chart/values.yaml"; }

defaults_same() {
    diff <(plain_defaults) "$chart/files/defaults.yaml" || {
        say "hack/chart-test --update writes it anew"
        return 1
    }
}

# The path of each key of values.yaml, a line each, with a dot in a key's name escaped for --set.
paths() {
    awk '
        /^ *[A-Za-z]/ {
            depth = match($0, /[^ ]/) - 1
            key = $0; sub(/:.*/, "", key); sub(/^ */, "", key)
            path[depth] = key; name = path[0]
            for (at = 2; at <= depth; at += 2) name = name "." path[at]
            print name
        }' "$chart/files/defaults.yaml"
}

# What Kubernetes defines, of which null takes parts away.
of_kubernetes='(^|\.)(resources|podSecurityContext|securityContext|labels)\.'

# A values file in which that path is null, with nothing behind the colon.
null_at() {
    local key indent=''
    for key in ${1//./ }; do
        printf '%s%s:\n' "$indent" "$key"
        indent+='  '
    done
}

nulls_absent() {
    local path count=0 quick=(-f "$scenarios/quick.yaml")
    render load "${quick[@]}" >"$work/absent"
    while IFS= read -r path; do
        # Beside that of the scenario, these are its own keys.
        [[ $path == churn || $path == client ]] && continue
        null_at "$path" >"$work/null.yaml"
        render load "${quick[@]}" --set "$path=null" >"$work/null.set"
        render load "${quick[@]}" -f "$work/null.yaml" >"$work/null.file"
        diff "$work/null.set" "$work/null.file" || { say "$path: not the same by --set and by file" && return 1; }
        if [[ ! $path =~ $of_kubernetes ]]; then
            diff "$work/absent" "$work/null.set" || { say "$path: null is not as if it were absent" && return 1; }
        fi
        absent '<nil>|^ *[^" ][^"]*: null$' "$(cat "$work/null.set")"
        count=$((count + 1))
    done < <(paths)
    ((count > 70)) || { say "only $count keys" && return 1; }
}

scenario_nulls() {
    local path quick=(-f "$scenarios/quick.yaml")
    render load "${quick[@]}" >"$work/absent"
    for path in federation target target.ipv6 sandbox.faults \
        sandbox.replicas criteria.never criteria.optional global churn.stable churn.oscillate churn.provoke churn.backend \
        churn.meshed churn.addresses churn.port churn.servicePrefix churn.scaleTo churn.duration churn.resources client.lifecycle \
        client.replicas client.targets client.profiles client.profileEndpoints client.profileNames client.policies client.connections churn.batchSize commonLabels.a podAnnotations.b churn.nodeSelector.c; do
        # What the scenario itself has is taken from it, so only what it has not can be as before.
        null_at "$path" >"$work/null.yaml"
        render load "${quick[@]}" -f "$work/null.yaml" >"$work/null"
        diff "$work/absent" "$work/null" || { say "$path" && return 1; }
        [[ -z $tool ]] || "$tool" plan "$work/null.yaml" --set churn.services=1,churn.endpoints=1 >/dev/null
    done
    printf 'tolerations: [null]\nchurn: {extraArgs: [null], extraEnv: [null]}\nclient: {tolerations: [null]}\n' >"$work/null.yaml"
    render load "${quick[@]}" -f "$work/null.yaml" | diff "$work/absent" -
    # All of the scenario's own, children commented out.
    refused "churn.services is missing; say how many Services to make" render load "${quick[@]}" --set churn=null
    null_at churn.stable >"$work/null.yaml"
    refused "churn.services is missing; say how many Services to make" render load -f "$work/null.yaml"
    # A section federation makes a scenario one of two clusters: not one that is null.
    absent 'federat' "$(given "${quick[@]}" --set federation=null)"
}

# The path of each key of a scenario's file. What is written on one line has no keys of its own here.
scenario_paths() {
    awk '
        /^ *[A-Za-z0-9]+:/ {
            depth = match($0, /[^ ]/) - 1
            key = $0; sub(/:.*/, "", key); sub(/^ */, "", key)
            path[depth] = key; name = path[0]
            for (at = 2; at <= depth; at += 2) name = name "." path[at]
            print name
        }' "$1"
}

# Both take it or both refuse it, and what the pods get is then what plan was given.
scenario_keys() {
    [[ -n $tool ]] || return 0
    local file path count=0 helm_takes tool_takes
    for file in "$scenarios"/{quick,stale-state,federated-oscillation}.yaml; do
        cp "$file" "$work/file.yaml"
        while IFS= read -r path; do
            helm_takes=yes tool_takes=yes
            render load -f "$file" --set "$path=null" --show-only templates/scenario.yaml >"$work/null" 2>"$work/null.said" || helm_takes=no
            "$tool" plan "$work/file.yaml" --set "$path=null" >"$work/plan.file" 2>"$work/plan.said" || tool_takes=no
            [[ $helm_takes == "$tool_takes" ]] || { cat "$work/null.said" "$work/plan.said" && say "$file: $path" && return 1; }
            count=$((count + 1))
            [[ $helm_takes == yes && $path != scenario && $path != scenario.name ]] || continue
            sed -n '/^  scenario.yaml: |/,$ s/^    //p' "$work/null" >"$work/scenario.yaml"
            "$tool" plan "$work/scenario.yaml" | diff "$work/plan.file" - || { say "$file: $path" && return 1; }
        done < <(scenario_paths "$file")
    done
    ((count > 60)) || { say "only $count keys" && return 1; }
}

kwok_nulls() {
    local key
    "$helm" template kwok "$root/hack/kwok" >"$work/absent"
    for key in count podsPerNode podCIDR zones; do
        "$helm" template kwok "$root/hack/kwok" --set "$key=null" | diff "$work/absent" - || { say "$key" && return 1; }
    done
    expect "Nodes" 0 "$("$helm" template kwok "$root/hack/kwok" --set count=0 | grep -c '^kind: Node$' || true)"
    refused "zones is 0; it is at least 1" "$helm" template kwok "$root/hack/kwok" --set zones=0
}

# A parent's nulls reach a chart as they are.
parent_nulls() {
    local parent=$work/parent key
    mkdir -p "$parent/charts" "$parent/templates"
    cp -r "$chart" "$parent/charts/dst-load-test"
    printf 'apiVersion: v2\nname: parent\nversion: 0.1.0\n' >"$parent/Chart.yaml"
    printf 'dst-load-test:\n' >"$parent/values.yaml"
    sed 's/^/  /' "$scenarios/quick.yaml" >>"$parent/values.yaml"
    "$helm" template load "$parent" --namespace load --kube-version "$kubernetes" >"$work/absent"
    {
        grep -oE '^[a-zA-Z]+:' "$chart/files/defaults.yaml" | grep -vE '^(churn|client):'
        printf '%s:\n' federation target
    } | sed 's/^/  /' >>"$parent/values.yaml"
    "$helm" template load "$parent" --namespace load --kube-version "$kubernetes" | diff "$work/absent" -
    grep -q '^kind: Deployment$' "$work/absent"
    # Each alone, so that no null hides behind another.
    for key in image monitoring.podMonitor client.observe resources; do
        "$helm" template load "$parent" --namespace load --kube-version "$kubernetes" --set "dst-load-test.$key=null" |
            diff "$work/absent" - || { say "$key" && return 1; }
    done
}

nulls_remove() {
    local quick=(-f "$scenarios/quick.yaml") said
    said=$(render load "${quick[@]}" --set podSecurityContext.runAsUser=null,podSecurityContext.seccompProfile.type=null)
    absent 'runAsUser|seccompProfile' "$said"
    grep -q 'runAsGroup: 65532' <<<"$said"
    said=$(render load "${quick[@]}" --set monitoring.dashboards.labels.grafana_dashboard=null,securityContext.capabilities=null)
    absent 'grafana_dashboard:|capabilities:' "$said"
}

# The keys of the labels that the chart sets, on any object.
own_labels='app.kubernetes.io/name app.kubernetes.io/instance app.kubernetes.io/component app.kubernetes.io/version
app.kubernetes.io/managed-by helm.sh/chart dst-load-controller.linkerd.io/configuration app
service.kubernetes.io/service-proxy-name multicluster.linkerd.io/remote-discovery multicluster.linkerd.io/remote-service'

# The source cluster's half with all kinds of objects, and then with labels that are the chart's own: the same.
labels_kept() {
    local where key all values=(--api-versions monitoring.coreos.com/v1 --set networkPolicy.enabled=true)
    for all in quick source; do
        case $all in
            quick) values+=(-f "$scenarios/quick.yaml") ;;
            source) values=("${values[@]}" -f "$scenarios/federated-oscillation.yaml" -f "$parts/values/source.yaml") ;;
        esac
        for where in commonLabels podLabels churn.podLabels client.podLabels monitoring.podMonitor.labels \
            monitoring.serviceMonitor.labels monitoring.rules.labels monitoring.dashboards.labels; do
            given=("${values[@]}")
            [[ $where != monitoring.serviceMonitor.labels ]] || given+=(--set monitoring.serviceMonitor.enabled=true)
            render load "${given[@]}" >"$work/without"
            while IFS= read -r key; do
                # Only stand-ins have these; elsewhere they are a user's like any other.
                [[ $key == app || $key == service.* || $key == multicluster.* ]] && continue
                # On objects that have no such label of the chart's it is one like any other.
                [[ $key == dst-load-controller* || $key == *component ]] && continue
                render load "${given[@]}" --set-string "$where.${key//./\\.}=x" | diff "$work/without" - ||
                    { say "$where: $key" && return 1; }
            done < <(tr ' ' '\n' <<<"$own_labels")
        done
    done
    # Where only some objects have it, those keep it.
    local said
    said=$(render load -f "$scenarios/quick.yaml" --set-string 'commonLabels.app\.kubernetes\.io/component=x' --show-only templates/client.yaml)
    expect "components" "client client client client client client" "$(sed -n 's/^ *app.kubernetes.io\/component: //p' <<<"$said" | xargs)"
    said=$(render load -f "$scenarios/quick.yaml" --set-string 'podLabels.dst-load-controller\.linkerd\.io/configuration=x' --show-only templates/churn.yaml)
    expect "configurations" 1 "$(sed -n 's/^ *dst-load-controller.linkerd.io\/configuration: //p' <<<"$said" | tr -d '"' | sort -u | wc -l)"
    said=$(part stand-ins -f "$scenarios/federated-oscillation.yaml" -f "$parts/values/source.yaml" --set-string 'commonLabels.app=x,commonLabels.service\.kubernetes\.io/service-proxy-name=x')
    absent ': x$' "$said"
    # The chart's own annotations are kept too.
    said=$(part client -f "$scenarios/quick.yaml" --set-string 'podAnnotations.checksum/scenario=x,podAnnotations.kubectl\.kubernetes\.io/default-container=x')
    absent ': x$' "$said"
}

# kustomize refuses a key that is there twice, where others take the last of them.
strict_yaml() {
    local directory=$work/kustomize
    mkdir -p "$directory"
    cat >"$directory/all.yaml"
    printf 'resources: [all.yaml]\n' >"$directory/kustomization.yaml"
    kubectl kustomize "$directory" >/dev/null
}

strict() {
    local key labels=()
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, name: b}\n' >"$work/twice"
    refused 'already' strict_yaml <"$work/twice"
    while IFS= read -r key; do
        for where in commonLabels podLabels churn.podLabels client.podLabels monitoring.podMonitor.labels monitoring.rules.labels monitoring.dashboards.labels \
            podAnnotations churn.podAnnotations client.podAnnotations serviceAccount.annotations monitoring.dashboards.annotations; do
            labels+=(--set-string "$where.${key//./\\.}=x")
        done
    done < <(tr ' ' '\n' <<<"$own_labels" && printf '%s\n' checksum/scenario kubectl.kubernetes.io/default-container linkerd.io/inject)
    render load -f "$scenarios/quick.yaml" "${labels[@]}" --api-versions monitoring.coreos.com/v1 | strict_yaml
    render load -f "$scenarios/federated-oscillation.yaml" -f "$parts/values/source.yaml" "${labels[@]}" | strict_yaml
    # Names that YAML takes for numbers.
    "$helm" template 123 "$chart" --namespace 456 --kube-version "$kubernetes" -f "$scenarios/quick.yaml" --set fullnameOverride=n \
        --set-string serviceAccount.churnName=97,serviceAccount.clientName=98,networkPolicy.prometheusNamespace=99 --set networkPolicy.enabled=true >"$work/numbers"
    absent ': (123|456|97|98|99)$' "$(cat "$work/numbers")"
    strict_yaml <"$work/numbers"
}

texts() {
    local said
    cat >"$work/texts.yaml" <<'Y'
commonLabels: {large: 12345678, yes: true, half: 0.5}
podLabels: {large: 12345678901, "no": false}
podAnnotations: {large: 12345678, small: 0.0000001}
nodeSelector: {large: 12345678, yes: true}
serviceAccount: {annotations: {large: 12345678}}
monitoring: {dashboards: {labels: {large: 12345678}, annotations: {large: 12345678}}, rules: {enabled: true, labels: {large: 12345678}}}
terminationGracePeriodSeconds: 12345678
churn:
  qps: 12345678
  burst: 12345678
  extraArgs: [--log-level, 12345678, 0.5, true, "007"]
  extraEnv: [{name: A, value: 12345678}, {name: B, value: true}, {name: C, value: 1.5}, {name: D}, {name: E, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
  nodeSelector: {large: 87654321}
client:
  extraArgs: [12345678]
  extraEnv: [{name: A, value: 12345678}]
criteria: {target: {viewsActive: 12345678, memoryMax: 12345678}, unexpectedResets: 12345678}
Y
    said=$(render load -f "$scenarios/quick.yaml" -f "$work/texts.yaml")
    absent '[0-9]e\+' "$said"
    # As numbers or booleans the API server would refuse them.
    absent '^ *(large|yes|no|half|small): [^"]' "$said"
    absent '^ *value: [^"]' "$(grep -A1 -E '^ *- name: [ABC]$' <<<"$said")"
    grep -q '^ *- "12345678"$' <<<"$said"
    grep -q '^ *- "true"$' <<<"$said"
    grep -q '^ *- "007"$' <<<"$said"
    grep -q '^ *large: "87654321"$' <<<"$(part churn -f "$scenarios/quick.yaml" -f "$work/texts.yaml")"
    expect "grace periods" 2 "$(grep -c 'terminationGracePeriodSeconds: 12345678$' <<<"$said")"
    [[ -z $tool ]] || "$tool" plan "$scenarios/quick.yaml" >/dev/null
    [[ -z $tool ]] || { cat "$scenarios/quick.yaml" && sed '/^churn:/,$d' "$work/texts.yaml"; } >"$work/both.yaml"
    [[ -z $tool ]] || "$tool" plan "$work/both.yaml" >/dev/null
}

# PyYAML is that of hack/monitoring-test where there is none.
hostile() {
    local python=python3
    if ! python3 -c 'import yaml' 2>/dev/null; then
        python3 -m venv "$work/venv"
        sed -n '/^PyYAML/,$p' "$root/hack/monitoring-test.d/requirements.txt" >"$work/requirements.txt"
        "$work/venv/bin/pip" --disable-pip-version-check install --quiet --only-binary :all: --require-hashes --requirement "$work/requirements.txt"
        python=$work/venv/bin/python3
    fi
    "$python" "$parts/hostile.py" "$helm" "$chart" "$scenarios/quick.yaml" "$parts/values/hostile.yaml" \
        -- "$scenarios/federated-oscillation.yaml" "$parts/values/hostile.yaml" "$parts/values/source.yaml"
}

# The resources of a half's container, on one line.
resources_of() {
    local half=$1
    shift
    part "$half" -f "$scenarios/quick.yaml" "$@" |
        awk '/^ *resources:/ { indent = match($0, /[^ ]/); inside = 1; printf "%s", substr($0, indent); next }
             inside && match($0, /[^ ]/) <= indent { exit }
             inside { sub(/^ */, " "); printf "%s", $0 }'
}

resources_in_place() {
    expect client "resources: limits: memory: 2Gi requests: cpu: 500m memory: 256Mi" "$(resources_of client)"
    expect churn "resources: limits: memory: 512Mi requests: cpu: 100m memory: 128Mi" "$(resources_of churn)"
    expect "client, without a limit" "resources: requests: cpu: 500m memory: 256Mi" "$(resources_of client --set client.resources.limits.memory=null)"
    expect "client, without limits" "resources: requests: cpu: 500m memory: 256Mi" "$(resources_of client --set client.resources.limits=null)"
    expect "client, with nothing" "resources: {}" "$(resources_of client --set client.resources.limits=null,client.resources.requests=null)"
    expect "client, by itself" "resources: limits: memory: 2Gi requests: cpu: 500m memory: 256Mi" "$(resources_of client --set client.resources=null)"
    expect "churn, without a limit" "resources: {}" "$(resources_of churn --set churn.resources.limits.memory=null)"
    expect "churn, without limits" "resources: {}" "$(resources_of churn --set churn.resources.limits=null)"
    expect "churn, with nothing" "resources: {}" "$(resources_of churn --set-json churn.resources={})"
    expect "churn, its own" "resources: requests: cpu: 1" "$(resources_of churn --set churn.resources.requests.cpu=1)"
    expect "all, without a limit" "resources: requests: cpu: 100m memory: 128Mi" "$(resources_of churn --set resources.limits.memory=null)"
    expect "churn, where all have none" "resources: {}" "$(resources_of churn --set resources.limits=null,resources.requests=null)"
}

zeros() {
    local quick=(-f "$scenarios/quick.yaml") key said
    for key in client.replicas client.clients client.streamsPerService client.openRate client.connections churn.services churn.port \
        churn.cycles sandbox.nodes sandbox.replicas; do
        refused "minimum: got 0, want 1" render load "${quick[@]}" --set "$key=0"
        [[ -z $tool ]] || refused ": 0 " "$tool" plan quick --set "$key=0"
    done
    expect "seconds of grace" 2 "$(render load "${quick[@]}" --set terminationGracePeriodSeconds=0 | grep -c 'terminationGracePeriodSeconds: 0$')"
    said=$(render load -f "$scenarios/federated-oscillation.yaml" -f "$parts/values/source.yaml" --set federation.standIns=false)
    absent 'component: stand-in' "$said"
    # No kind of what is provoked, beside another group: none is asked for.
    said=$(part stand-ins -f "$parts/values/source.yaml" --set churn.backend=pods,churn.stable.services=1,churn.stable.endpoints=1 \
        --set-json 'federation={},churn.provoke={"kinds":[],"endpoints":1,"hold":"1s"}')
    expect "stand-ins" 2 "$(grep -c '^kind: Service$' <<<"$said")"
    # A delay that is 0 is one, and not the default of 30 s.
    grep -A1 -xE ' *- --start-delay' <<<"$(part churn "${quick[@]}" --set-json churn.startDelay=0)" | grep -qE '^ *- "0"$'
    # A value that is empty is one too.
    grep -qE '^ *role: ""$' <<<"$(part client "${quick[@]}" --set-string nodeSelector.role=x,client.nodeSelector.role=)"
}

api_versions() {
    local quick=(-f "$scenarios/quick.yaml") kinds='^kind: (PodMonitor|PrometheusRule)$' group=monitoring.coreos.com/v1
    expect "without" 0 "$(render load "${quick[@]}" | grep -cE "$kinds" || true)"
    expect "by version" 2 "$(render load "${quick[@]}" --api-versions "$group" | grep -cE "$kinds")"
    expect "by kind" 1 "$(render load "${quick[@]}" --api-versions "$group/PodMonitor" | grep -cE "$kinds")"
    # As a cluster lists them that has one kind of that version, and not the other.
    expect "by both" 1 "$(render load "${quick[@]}" --api-versions "$group" --api-versions "$group/PrometheusRule" | grep -cE "$kinds")"
}

# Some of all values at each run; CHART_TEST_VALUES says how many.
agreement() { python3 "$parts/agreement.py" "$helm" "$tool" "$chart" "${CHART_TEST_VALUES:-250}"; }
