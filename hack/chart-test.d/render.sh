# Sourced by chart-test: what the chart renders, without a cluster.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, chart, parts, work, helm, tool: of chart-test.

scenarios=$root/values/scenarios
kubernetes=1.36.3

render() {
    local release=$1
    shift
    "$helm" template "$release" "$chart" --namespace load --kube-version "$kubernetes" "$@"
}

# One template's output.
part() {
    local template=$1
    shift
    render load --show-only "templates/$template.yaml" "$@"
}

# The scenario as the pods get it.
given() { part scenario "$@" | sed -n '/^  scenario.yaml: |/,$ s/^    //p'; }

test_render() {
    local file name
    heading "what it renders"
    for file in "$scenarios"/*.yaml; do
        name=$(basename "$file" .yaml)
        check "$name: lint" "$helm" lint --strict --quiet "$chart" -f "$file"
        check "$name: the pods get the scenario of the file" same_scenario "$file"
        check "$name: one churn Pod, and as many clients as asked for" halves "$file"
    done
    check "clients with targets are a StatefulSet, whose pods know their number" numbered
    for name in quick everything source target; do
        check "$name: as expected" as_expected "$name"
    done
    [[ -n $tool ]] && check "the tool knows every argument that it is given" arguments_known
    check "all has the labels of the release" labelled
    check "another configuration is another churn Pod, and nothing else is" configurations
    check "what only the chart reads is not in the scenario" chart_keys
    check "one half alone has nothing of the other" alone
    check "no key of a scenario in values.yaml" no_scenario_keys
    check "values that cannot work are refused" refusals
    [[ -n $tool ]] && check "what breaks the schema is refused by run too, with its place" both_refuse
    return 0
}

same_scenario() {
    local file=$1
    given -f "$file" >"$work/scenario.yaml"
    [[ -s $work/scenario.yaml ]]
    [[ -z $tool ]] && return
    # Not the file's name, which is another.
    cp "$file" "$work/file.yaml"
    "$tool" plan "$work/file.yaml" >"$work/plan.file"
    "$tool" plan "$work/scenario.yaml" >"$work/plan.given"
    diff "$work/plan.file" "$work/plan.given"
}

halves() {
    local file=$1 all replicas
    all=$(render load -f "$file")
    replicas=$(sed -n '/^client:/,/^[^ #]/ s/^  replicas: *\([0-9]*\).*/\1/p' "$file")
    expect Pods 1 "$(grep -c '^kind: Pod$' <<<"$all")"
    expect Deployments 1 "$(grep -c '^kind: Deployment$' <<<"$all")"
    expect replicas "${replicas:-1}" "$(sed -n 's/^  replicas: //p' <<<"$all")"
    expect "replicas set" 7 "$(part client -f "$file" --set client.replicas=7 | sed -n 's/^  replicas: //p')"
}

numbered() {
    local quick=(-f "$scenarios/quick.yaml") said
    said=$(part client "${quick[@]}" --set client.targets=3)
    expect StatefulSets 1 "$(grep -c '^kind: StatefulSet$' <<<"$said")"
    expect Deployments 0 "$(grep -c '^kind: Deployment$' <<<"$said" || true)"
    grep -A3 -E '^ *- name: DST_LOAD_REPLICA$' <<<"$said" | grep -qF "metadata.labels['apps.kubernetes.io/pod-index']"
    grep -qx '  podManagementPolicy: Parallel' <<<"$said"
    absent 'DST_LOAD_REPLICA|StatefulSet' "$(render load "${quick[@]}")"
    # 400 Services × 5,000 clients are two million streams, and 60,000 with targets.
    refused "2000000 streams" render load "${quick[@]}" --set churn.services=400,client.clients=5000
    render load "${quick[@]}" --set churn.services=400,client.clients=5000,client.targets=12 >"$work/some"
    refused "(targets × streamsPerService" render load "${quick[@]}" --set churn.services=400,client.clients=500000,client.targets.count=12
    refused "client.targets.exponent" render load "${quick[@]}" --set client.targets.count=2,client.targets.distribution=uniform,client.targets.exponent=1
}

# Without what changes with each version, and the rules, which are generated from the tool's source.
manifests() {
    local name=$1 values=()
    case $name in
        quick) values=(-f "$scenarios/quick.yaml") ;;
        everything) values=(-f "$scenarios/quick.yaml" -f "$parts/values/everything.yaml") ;;
        *) values=(-f "$scenarios/federated-oscillation.yaml" -f "$parts/values/$name.yaml") ;;
    esac
    render load "${values[@]}" | awk '
        function flush() { if (text && source !~ /(dashboards|prometheusrule)\.yaml/) printf "%s", text; text = "" }
        /^---/ { flush(); source = ""; rules = 0 }
        /^# Source:/ { source = $3 }
        /^rules:/ && source ~ /rbac/ { rules = 1; text = text "rules: […]\n"; next }
        rules && /^[^ ]/ { rules = 0 }
        !rules { text = text $0 "\n" }
        END { flush() }' | sed -E \
        -e 's/(helm.sh\/chart: dst-load-test-).*/\1VERSION/' \
        -e 's/(app.kubernetes.io\/version: ).*/\1VERSION/' \
        -e 's/(image: "dst-load-controller:).*"/\1VERSION"/' \
        -e 's/-churn-[0-9a-f]{8}$/-churn-CONFIGURATION/' \
        -e 's/(configuration: )"?[0-9a-f]{8}"?$/\1CONFIGURATION/' \
        -e 's/(checksum\/[a-z]*: )[0-9a-f]{64}/\1CHECKSUM/'
}

as_expected() {
    manifests "$1" >"$work/manifests.yaml"
    diff -u "$parts/expected/$1.yaml" "$work/manifests.yaml" || {
        say "if that is meant: hack/chart-test --update"
        return 1
    }
}

update_expected() {
    local name
    for name in quick everything source target; do
        manifests "$name" >"$parts/expected/$name.yaml"
        say "wrote ${parts#"$root"/}/expected/$name.yaml"
    done
}

# The arguments of each container, a line each, with a blank line after each container.
arguments() {
    awk '
        /^ *args:$/ { indent = match($0, /[^ ]/) + 1; inside = 1; next }
        inside && match($0, /[^ ]/) == indent + 1 && /^ *- / { sub(/^ *- /, ""); gsub(/^"|"$/, ""); print; next }
        inside { inside = 0; print "" }
    '
}

# Asked for help at the end, it still refuses what it does not know before that.
arguments_known() {
    local name argument given containers=0
    for name in quick everything source target; do
        given=()
        while IFS= read -r argument; do
            if [[ -n $argument ]]; then
                given+=("$argument")
                continue
            fi
            "$tool" "${given[@]}" --help >/dev/null || { say "$name: ${given[*]}" && return 1; }
            containers=$((containers + 1))
            given=()
        done < <(manifests "$name" | arguments)
    done
    # Of churn, of the clients, and of both tests, twice; and of one half each.
    expect "containers" 12 "$containers"
}

labelled() {
    local all objects
    all=$(render load -f "$scenarios/quick.yaml" --set commonLabels.team=mesh \
        --api-versions monitoring.coreos.com/v1/PodMonitor --api-versions monitoring.coreos.com/v1/PrometheusRule)
    objects=$(grep -c '^kind: ' <<<"$all")
    expect "objects of the release" "$objects" "$(grep -c '^    helm.sh/chart: dst-load-test-' <<<"$all")"
    expect "objects with its common label" "$objects" "$(grep -c '^    team: mesh$' <<<"$all")"
    # Nodes and what is about them belong to no namespace.
    expect "objects in its namespace" $((objects - 2)) "$(grep -c '^  namespace: load$' <<<"$all")"
    grep -q '^kind: PodMonitor$' <<<"$all"
    expect "monitors where the kind is unknown" 0 "$(render load -f "$scenarios/quick.yaml" | grep -c '^kind: PodMonitor' || true)"
}

pod_name() { part churn "$@" | sed -n 's/^  name: \(.*-churn-.*\)/\1/p'; }

configurations() {
    local quick=(-f "$scenarios/quick.yaml") one
    one=$(pod_name "${quick[@]}")
    grep -qE '^load-dst-load-test-churn-[0-9a-f]{8}$' <<<"$one"
    expect "the same again" "$one" "$(pod_name "${quick[@]}")"
    expect "with dashboards off" "$one" "$(pod_name "${quick[@]}" --set monitoring.dashboards.enabled=false)"
    expect "with a label" "$one" "$(pod_name "${quick[@]}" --set commonLabels.team=mesh)"
    for change in scenario.seed=2 churn.maxEndpoints=31 churn.qps=9 churn.extraEnv[0].name=A image.tag=x \
        nodeSelector.a=b client.clients=3; do
        [[ $(pod_name "${quick[@]}" --set "$change") != "$one" ]] || { say "not another Pod: $change" && return 1; }
    done
    # The longest names there can be.
    local long
    long=$(printf 'r%.0s' {1..53})
    one=$(render "$long" -f "$scenarios/quick.yaml" --show-only templates/churn.yaml | sed -n 's/^  name: //p')
    while read -r name; do
        ((${#name} <= 63)) || { say "too long: $name" && return 1; }
    done <<<"$one"
}

chart_keys() {
    local said
    said=$(given -f "$scenarios/federated-oscillation.yaml" -f "$parts/values/everything.yaml" --set federation.standIns=false)
    absent '^ *(enabled|startDelay|qps|burst|resources|extra.*|pod.*|nodeSelector|tolerations|affinity):' "$said"
    absent '^ *(churnUrl|observe|snapshotSize|standIns):' "$said"
    grep -q '^  replicas: 3$' <<<"$said"
    # An empty section means something: two clusters.
    printf 'federation: {}\n' >"$work/empty.yaml"
    grep -qx 'federation: {}' <<<"$(given -f "$scenarios/quick.yaml" -f "$work/empty.yaml")"
    absent federation "$(given -f "$scenarios/quick.yaml")"
}

alone() {
    local said
    said=$(render load -f "$scenarios/quick.yaml" --set client.enabled=false)
    absent '^  name: .*-(client|nodes)$|kind: ClusterRole|stand-in' "$said"
    said=$(render load -f "$scenarios/quick.yaml" --set churn.enabled=false)
    absent '^  name: .*-churn|kind: Pod$|--churn$|stand-in' "$said"
    # The default names of two ServiceAccounts that are one.
    said=$(render load -f "$scenarios/quick.yaml" --set serviceAccount.churnName=x,serviceAccount.clientName=x)
    expect ServiceAccounts 1 "$(grep -c '^kind: ServiceAccount$' <<<"$said")"
    said=$(render load -f "$scenarios/quick.yaml" --set serviceAccount.create=false,rbac.create=false)
    absent '^kind: (ServiceAccount|Role|ClusterRole)' "$said"
    expect "pods of default" 4 "$(grep -c 'serviceAccountName: "default"' <<<"$said")"
}

no_scenario_keys() {
    local said
    # Were there one, it would be here too.
    said=$(given --set churn.stable.services=1,churn.stable.endpoints=2)
    expect scenario "$(printf 'churn:\n  stable:\n    endpoints: 2\n    services: 1')" "$said"
}

refusals() {
    local quick=(-f "$scenarios/quick.yaml")
    refused "churn.services is missing; say how many Services to make: helm install … -f values/scenarios/quick.yaml" render load
    refused "churn.enabled and client.enabled are both false" render load "${quick[@]}" --set churn.enabled=false,client.enabled=false
    refused "destination.address is missing" render load "${quick[@]}" --set destination.address=
    refused "scraped twice" render load "${quick[@]}" --set monitoring.podMonitor.enabled=true,monitoring.serviceMonitor.enabled=true
    refused "churn.extraArgs: the chart gives --namespace itself" render load "${quick[@]}" --set 'churn.extraArgs={--qps,5,--namespace=x}'
    refused "churn.extraArgs: the chart gives --burst itself" render load "${quick[@]}" --set 'churn.burst=5,churn.extraArgs={--burst,6}'
    refused "client.extraArgs: the chart gives --churn itself" render load "${quick[@]}" --set 'client.extraArgs={--churn,http://x}'
    refused "client.extraEnv: the variable DST_LOAD_POD is there already" render load "${quick[@]}" --set 'client.extraEnv[0].name=DST_LOAD_POD'
    refused "churn.extraEnv: the variable A is there already" render load "${quick[@]}" --set 'churn.extraEnv[0].name=A,churn.extraEnv[1].name=A'
    render load "${quick[@]}" --set 'churn.extraArgs={--burst,6},client.extraArgs={--destination,x:1},client.extraEnv[0].name=DST_LOAD_REPLICA' >/dev/null
    refused "client.extraEnv: the variable DST_LOAD_REPLICA" render load "${quick[@]}" --set 'client.targets=2,client.extraEnv[0].name=DST_LOAD_REPLICA'
    refused endpionts render load "${quick[@]}" --set churn.endpionts=3
    refused pattern render load "${quick[@]}" --set churn.pattern=oscilate
    refused '--namespace: "Load" is not a DNS label' "$helm" template load "$chart" --namespace Load "${quick[@]}"
    refused 'names would begin with "1a-dst-load-test"' "$helm" template 1a "$chart" --namespace load "${quick[@]}"
    refused 'names would begin with "a.b-dst-load-test"' "$helm" template a.b "$chart" --namespace load "${quick[@]}"
    refused reqireNodes render load "${quick[@]}" --set kwok.reqireNodes=true
}

# Files that break the schema, one on each line.
broken() {
    cat <<'Y'
churn: {services: 1, endpionts: 1}
churn: {services: one, endpoints: 1}
churn: {services: -1, endpoints: 1.5}
churn: {services: 1, pattern: oscilate, minEndpoints: 1, maxEndpoints: 2, minHold: soon, maxHold: 3s}
churn: {services: 1, endpoints: 1, backend: pod, jitter: 5 %}
churn: {services: 1, endpoints: 1, provoke: {kinds: [portChange]}}
churn: [1]
{churn: {services: 1, endpoints: 1}, client: {clients: "5", lifecycle: eternl}}
{churn: {services: 1, endpoints: 1}, criteria: {updateLatency: {p90: 1s}, errorRate: 2, target: {memoryMax: 6 GB}}}
{churn: {services: 1, endpoints: 1}, sandbox: {faults: [{kind: dropUpdates}, {at: 5s}], nodes: true}}
{churn: {services: 1, endpoints: 1}, federation: {through: [remote]}}
{churn: {services: 1, endpoints: 1}, image: {pullPolicy: Sometimes}, monitoring: {rules: {enabled: perhaps}}}
{churn: {services: 1, endpoints: 1}, tolerations: {key: a}, podLabels: {a: [1]}, kwok: {avoid: true}}
{churn: {services: 1, endpoints: 1}, destination: {address: 8086}, 'odd''key': 1}
{churn: {services: 0, endpoints: 1, port: 0, minHold: 0s, cycles: 4294967296, servicePrefix: Web, maxSurge: 200000, jitter: [1]}}
{churn: {services: 5001, endpoints: 1}, scenario: {name: My Test, seed: 9007199254740992}, client: {clients: 0, openRate: 0}}
{churn: {services: 1, endpoints: 1}, scenario: {name: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeef}, sandbox: {nodes: 5001}}
{churn: {services: 1, endpoints: 1}, federation: {through: [], cluster: x_y}, criteria: {optional: [never, nothing]}}
{churn: {services: 1, endpoints: 1}, federation: {through: [federated, remoteDiscovery, federated], localEndpoints: 0}}
{churn: {services: 1, endpoints: 1}, priorityClassName: "x\nhostNetwork: true", commonLabels: {a b: c, d: e f, g: -1}, image: {tag: .x, digest: 'sha256:0'}}
{churn: {services: 1, endpoints: 1, extraEnv: [{value: x}, {name: A B}]}, tolerations: [{effect: Never, key: a b, operater: Exists}], imagePullSecrets: [{}]}
{churn: {services: 1, endpoints: 1}, resources: {limits: {memory: 1 GB, cpu: true}}, affinity: {podAffinity: {a b: 1, c: ["\x07"]}, zone: a}, podLabels: {a: 1e300}}
{churn: {services: 1, endpoints: 1}, client: {snapshotSize: big, observe: {key: .., context: "\t\v\f\b\r\e\x7f\u0085\u2028\u200bé🦀'\"\\"}}, destination: {metrics: [a b]}}
Y
}

# Helm refuses each by the schema, and the tool by the types that the schema is made of.
both_refuse() {
    local line count=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >"$work/broken.yaml"
        if render load -f "$work/broken.yaml" >"$work/helm.said" 2>&1 || "$tool" plan "$work/broken.yaml" >"$work/tool.said" 2>&1; then
            say "not refused by both: $line" && return 1
        fi
        grep -q "^ *- at '" "$work/helm.said" || { cat "$work/helm.said" && return 1; }
        grep -q '^error: .*/broken.yaml:1:[0-9]*: ' "$work/tool.said" || { cat "$work/tool.said" && return 1; }
        count=$((count + 1))
    done < <(broken)
    expect "files" 23 "$count"
}
