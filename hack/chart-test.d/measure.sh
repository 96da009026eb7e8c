# Sourced by chart-test: a whole run in a cluster, from `helm install` to `report --from-pods`.
#
# No container runs on a lab. So the processes run beside it: each with the arguments, the environment
# and the scenario of its Pod, as its ServiceAccount, and reached by a port-forward through its Pod.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, chart, work, tool, scenarios, …: of chart-test and its parts.

test_measured() {
    [[ -n $tool ]] || return 0
    heading "a run in a cluster, as processes beside it"
    check "install: both halves work with what the chart grants" measured_begins
    check "report --from-pods: two clients' recordings are one, and it passes" measured
    check "what the clients told Prometheus and what the report says agree" agreed
    if command -v prometheus >/dev/null; then
        check "report --prometheus: what the destination cost, from a Prometheus that scraped it" from_prometheus
    else
        say "not asked of a Prometheus, which is not here (Debian's package prometheus)"
    fi
    check "uninstall: churn leaves everything to the garbage collector" measured_ends
    stop_processes
}

free_port() {
    local port
    for port in $(shuf -i 20000-30000 -n 50); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s' "$port" && return; }
    done
    return 1
}

# A cluster's kubeconfig with an account's token in the place of its certificate.
as_account() {
    local context=$1 account=$2 file=$work/$2.kubeconfig user
    k "$context" config view --raw --minify --flatten >"$file"
    user=$(kubectl --kubeconfig "$file" config view -o 'jsonpath={.contexts[0].context.user}')
    kubectl --kubeconfig "$file" config unset users >/dev/null
    kubectl --kubeconfig "$file" config set-credentials "$user" \
        --token "$(k "$context" -n "$namespace" create token "$account" --duration 1h)" >/dev/null
}

# Starts what a Pod would start, on a port of this machine.
start_as_pod() {
    local context=$1 pod=$2 account=$3 port=$4 arguments
    k "$context" -n "$namespace" get configmap "$release-scenario" -o 'jsonpath={.data.scenario\.yaml}' >"$work/$pod.yaml"
    mapfile -t arguments < <(k "$context" -n "$namespace" get pod "$pod" -o 'jsonpath={range .spec.containers[0].args[*]}{@}{"\n"}{end}')
    arguments=("${arguments[@]/#0.0.0.0:9990/127.0.0.1:$port}")
    arguments=("${arguments[@]/#\/etc\/dst-load\/scenario.yaml/$work/$pod.yaml}")
    arguments=("${arguments[@]/#\/etc\/dst-load\/observe\/kubeconfig/$work/target.kubeconfig.read}")
    KUBECONFIG=$work/$account.kubeconfig DST_LOAD_POD=$pod \
        DST_LOAD_POD_UID=$(k "$context" -n "$namespace" get pod "$pod" -o 'jsonpath={.metadata.uid}') \
        "$tool" "${arguments[@]}" >"$work/$pod.log" 2>&1 &
    printf '%s\n' $! >"$work/$pod.pid"
}

# Checks run in shells of their own, so that what they start is known by its file only.
stop_processes() {
    local file
    for file in "$work"/*.pid; do
        [[ ! -f $file ]] || kill "$(cat "$file")" 2>/dev/null || true
        rm -f "$file"
    done
    return 0
}

# It scrapes the destination under the labels that a PodMonitor would give.
start_prometheus() {
    command -v prometheus >/dev/null || return 0
    local port
    port=$(free_port)
    cat >"$work/prometheus.yaml" <<Y
scrape_configs:
  - job_name: linkerd
    scrape_interval: 1s
    static_configs: [{targets: ["127.0.0.1:$1"], labels: {namespace: linkerd, container: destination}}]
Y
    prometheus --config.file "$work/prometheus.yaml" --storage.tsdb.path "$work/prometheus" \
        --web.listen-address "127.0.0.1:$port" >"$work/prometheus.log" 2>&1 &
    printf '%s\n' $! >"$work/prometheus.pid"
    printf '%s\n' "$port" >"$work/prometheus.port"
}

forward() {
    k lab-1 apply -f - >/dev/null <<Y
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: $1}
spec:
  selector: {matchNamespaces: [$namespace], matchNames: [$1]}
  forwards: [{ports: [9990], target: {address: 127.0.0.1, port: $2}}]
Y
}

client_pods() { one get pods -l app.kubernetes.io/component=client -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'; }

measured_begins() {
    local grpc metrics churn port pod values
    everything_there lab-1 >"$work/before"
    grpc=$(free_port) metrics=$(free_port) churn=$(free_port)
    "$tool" destination --kubeconfig "$kubeconfig" --context lab-1 --addr "127.0.0.1:$grpc" \
        --metrics-addr "127.0.0.1:$metrics" >"$work/destination.log" 2>&1 &
    printf '%s\n' $! >"$work/destination.pid"
    start_prometheus "$metrics"
    # Half of the scenario's clients each, and time for Kubernetes on a small and busy machine.
    values="churn.maxEndpoints=12,churn.minHold=8s,churn.maxHold=12s,churn.startDelay=5s"
    values+=",client.replicas=2,client.clients=10,client.churnUrl=http://127.0.0.1:$churn"
    values+=",destination.address=127.0.0.1:$grpc,destination.metrics={http://127.0.0.1:$metrics/metrics}"
    h lab-1 install "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --set "$values" \
        --wait --timeout 60s >/dev/null
    as_account lab-1 "$release-churn"
    as_account lab-1 "$release-client"
    start_as_pod lab-1 "$(churn_pods)" "$release-churn" "$churn"
    : >"$work/client-ports"
    for pod in $(client_pods); do
        port=$(free_port)
        printf '%s\n' "$port" >>"$work/client-ports"
        start_as_pod lab-1 "$pod" "$release-client" "$port"
        forward "$pod" "$port"
    done
    expect clients 2 "$(wc -l <"$work/client-ports")"
    while read -r port; do
        within 30 ready "$port" || { tail -n 20 "$work"/*.log && return 1; }
    done <"$work/client-ports"
}

ready() {
    local status
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
    read -r _ status _ <&3 || true
    exec 3>&-
    [[ $status == 200 ]]
}

page() {
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
    cat <&3
    exec 3>&-
}

# `report --from-pods` into that directory, with what else is given. It passes; or the machine was too busy to judge
# any time by, which it says, and then nothing may be wrong that has nothing to do with time.
from_pods() {
    local into=$1 code=0
    shift
    "$tool" report --from-pods --kubeconfig "$kubeconfig" --context lab-1 --namespace "$namespace" \
        --output-dir "$into" "$@" || code=$?
    ((code == 0)) && grep -q '"verdict": "pass"' "$into/report.json" && return
    ((code == 4)) || return
    python3 - "$into" <<'P'
import json, sys
report = json.load(open(f"{sys.argv[1]}/report.json"))
busy = ("generator was the bottleneck", "the observer was late", "starved the plan")
assert report["reasons"] and all(any(it in reason for it in busy) for reason in report["reasons"]), report["reasons"]
timeless = ("correctness", "unexpectedResets", "errorRate", "redundant")
assert all(it["met"] for it in report["criteria"] if it["name"] in timeless), report["criteria"]
P
}

measured() {
    from_pods "$work/measured" --release "$release" --wait 2m >"$work/report" 2>"$work/report.log" ||
        { cat "$work/report" "$work/report.log" && tail -n 5 "$work"/dst-load-test-*.log && return 1; }
    # 5 Services, 10 virtual clients a replica, 2 replicas; and the cycles of the plan, whole.
    grep -q '"requested": 100' "$work/measured/report.json"
    expect "whole cycles" 2 "$(grep -c '"whole": true' "$work/measured/report.json")"
    expect recordings 2 "$(find "$work/measured/replicas" -name '*.jsonl' | wc -l)"
    # What is collected again says the same; so does the merged recording.
    "$tool" report "$work/measured" -o json >"$work/again.json"
    diff "$work/measured/report.json" "$work/again.json"
}

agreed() {
    local port
    while read -r port; do
        page "$port"
    done <"$work/client-ports" >"$work/pages"
    # At the destination stage, additions and removals together.
    python3 - "$work" <<'P'
import json, re, sys
work = sys.argv[1]
report = json.load(open(f"{work}/measured/report.json"))
reported = sum(of["count"] for of in report["latency"]["destination"].values())
name = r"^destination_client_update_latency_histogram_seconds_count\{.*\} (\d+)"
served = sum(map(int, re.findall(name, open(f"{work}/pages").read(), re.M)))
assert reported >= 2_800 and served == reported, (reported, served)
# What churn told of its intentions has arrived: the other stages have numbers too.
for stage in ("kubernetes", "end_to_end"):
    assert all(of["count"] > 0 for of in report["latency"][stage].values()), stage
P
}

from_prometheus() {
    local url
    url=http://127.0.0.1:$(cat "$work/prometheus.port")
    from_pods "$work/with-prometheus" --prometheus "$url" >/dev/null
    # The clients' own samples are gone, and the others say no less.
    python3 - "$work" <<'P'
import json, sys
work = sys.argv[1]
of = lambda name: json.load(open(f"{work}/{name}/report.json"))["target"]
own, theirs = of("measured"), of("with-prometheus")
assert theirs["cpu_seconds"] > 0 and theirs["peak_rss_bytes"] > 1 << 20, theirs
# Both have watched the same process, from about the same instant on.
assert abs(theirs["peak_rss_bytes"] / own["peak_rss_bytes"] - 1) < 0.2, (own, theirs)
P
    # Labels that nothing has are told, and what was collected until then stays.
    refused 'has no series of {container="other"}' "$tool" report --from-pods --kubeconfig "$kubeconfig" \
        --context lab-1 --namespace "$namespace" --prometheus "$url" --prometheus-selector '{container="other"}' \
        --output-dir "$work/no-series"
    expect recordings 2 "$(find "$work/no-series/replicas" -name '*.jsonl' | wc -l)"
}

stopped() { ! kill -0 "$1" 2>/dev/null; }

measured_ends() {
    local pod pid
    pod=$(churn_pods)
    pid=$(cat "$work/$pod.pid")
    # What it made is there, and is its Pod's.
    expect "the owner of what it made" "$pod" "$(one get service test-service-1 -o 'jsonpath={.metadata.ownerReferences[*].name}')"
    k lab-1 delete clusterportforwards --all >/dev/null
    # As its kubelet would, when the Pod is deleted: soon after that it may do nothing any more.
    { until gone "pod/$pod"; do :; done && kill "$pid"; } >/dev/null 2>&1 &
    h lab-1 uninstall "$release" --wait --timeout 60s >/dev/null
    within 20 stopped "$pid"
    absent 'ERROR|WARN|^error' "$(tail -n 3 "$work/$pod.log")"
    within 60 nothing_left lab-1
}

# Over two clusters, with a real controller: the reference destination alone is not linked with a second one.
measured_federated() {
    local churn port pod values
    churn=$(free_port) port=$(free_port)
    LAB_DIR=$lab "$root/hack/lab/up" --clusters 2 --nodes 2 >/dev/null
    "$tool" link --kubeconfig "$kubeconfig" --context lab-1 --churn-context lab-2
    values="churn.services=2,churn.minEndpoints=2,churn.maxEndpoints=6,churn.minHold=8s,churn.maxHold=10s,churn.cycles=1"
    values+=",churn.startDelay=5s,client.clients=5,federation.localServices=0"
    values+=",destination.address=127.0.0.1:$(cat "$lab/destination.port")"
    values+=",destination.metrics={http://127.0.0.1:$(cat "$lab/destination.metrics-port")/metrics}"
    h lab-2 upgrade "$release" "$chart" -f "$scenario" -f "$parts/values/target.yaml" "${on_lab[@]}" --set "$values" --wait --timeout 60s
    h lab-1 upgrade "$release" "$chart" -f "$scenario" -f "$parts/values/source.yaml" "${on_lab[@]}" --set "$values" \
        --set client.churnUrl="http://127.0.0.1:$churn",client.observe.context= --wait --timeout 60s
    as_account lab-2 "$release-churn"
    as_account lab-1 "$release-client"
    pod=$(k lab-2 -n "$namespace" get pods -l app.kubernetes.io/component=churn -o 'jsonpath={.items[*].metadata.name}')
    start_as_pod lab-2 "$pod" "$release-churn" "$churn"
    pod=$(client_pods)
    start_as_pod lab-1 "$pod" "$release-client" "$port"
    forward "$pod" "$port"
    "$tool" report --from-pods --kubeconfig "$kubeconfig" --context lab-1 --namespace "$namespace" \
        --wait 2m --output-dir "$work/federated" || { tail -n 5 "$work"/dst-load-test-*.log && return 1; }
    python3 - "$work" <<'P'
import json, sys
report = json.load(open(f"{sys.argv[1]}/federated/report.json"))
# 2 Services, asked for in two ways by 5 clients.
assert report["streams"]["opened"] == 20 and report["target"]["kind"] == "linkerd", report["streams"]
ways = report["federation"]["ways"]
told = {way["via"]: way["latency"]["destination"]["add"]["count"] for way in ways}
assert all(told[way] >= 40 for way in ("remote_discovery", "federated")), told
P
    # That of the pod, and that of the controller, which came with it.
    k lab-1 delete clusterportforwards --all
    "$tool" cleanup --kubeconfig "$kubeconfig" --context lab-1 --run-id link-target
    stop_processes
}
