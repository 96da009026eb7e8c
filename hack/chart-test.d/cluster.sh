# Sourced by chart-test: what the chart makes on a real Kubernetes.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, chart, parts, work, helm, scenarios: of chart-test and its parts.

namespace=load
# The release has the chart's name, so that its objects have it too.
release=dst-load-test
on_lab=(-f "$parts/values/lab.yaml")

lab_up() {
    heading "a lab of two clusters"
    if [[ -n ${CHART_TEST_KEEP:-} ]]; then
        lab=$(mktemp -d)/lab
    else
        lab=$work/lab
        trap 'stop_processes || true; LAB_DIR=$lab "$root/hack/lab/down" >/dev/null; rm -rf "$work"' EXIT
    fi
    # Without a controller: the chart is tested, not what its clients would measure.
    LAB_DIR=$lab LINKERD_DESTINATION_BIN='' "$root/hack/lab/up" --clusters 2 --nodes 2 >"$work/up.log" ||
        { cat "$work/up.log" && die "no lab"; }
    kubeconfig=$lab/kubeconfig
    local context
    for context in lab-1 lab-2; do
        guarded "$context" "$namespace"
    done
    # Where objects are only shown to the API server.
    guarded lab-1 shown
    say "lab-1 and lab-2, with namespace $namespace, which enforces Pod Security's restricted"
}

# What Pod Security calls restricted is enforced at admission.
guarded() {
    k "$1" create namespace "$2" >/dev/null
    k "$1" label namespace "$2" pod-security.kubernetes.io/enforce=restricted >/dev/null
}

lab_done() {
    [[ -z ${CHART_TEST_KEEP:-} ]] && return
    cat <<T

kept: a lab with the chart's two halves on lab-1
  kubectl --kubeconfig $kubeconfig --context lab-1 -n $namespace get all
  $helm --kubeconfig $kubeconfig --kube-context lab-1 -n $namespace status $release
  kubectl --kubeconfig $kubeconfig --context lab-1 -n $namespace create token $release-churn
  LAB_DIR=$lab hack/lab/down
T
}

k() {
    local context=$1
    shift
    kubectl --kubeconfig "$kubeconfig" --context "$context" --request-timeout 20s "$@"
}

# In the namespace, on the first cluster.
one() { k lab-1 -n "$namespace" "$@"; }

h() {
    local context=$1
    shift
    "$helm" --kubeconfig "$kubeconfig" --kube-context "$context" -n "$namespace" "$@"
}

test_cluster() {
    heading "on a cluster"
    everything_there lab-1 >"$work/before"
    check "the API server takes every scenario's objects" taken
    check "no pod of ours lands on a fake node, tolerated or not" avoided
    check "install: every pod becomes ready" installed
    check "install: these objects and no others" objects
    check "NOTES name what is there" notes
    check "both Services have endpoints, on port 9990" served
    check "churn may do what it does, and no more" churn_may
    check "clients may do what they do, and no more" client_may
    check "upgrade with the same values changes nothing" unchanged
    check "upgrade makes a churn Pod that is missing" missing_made
    check "upgrade with another scenario: one churn Pod, another, and what the old one made is gone" replaced
    check "the Deployment scales by hand, and by values" scaled
    check "monitors come with their kinds" monitored
    check "every key of values.yaml is taken by the API server" all_taken
    check "a label of the values that is the chart's or Kubernetes' own is taken, and breaks nothing" own_labels_taken
    check "helm test runs both checks, and leaves nothing" tested
    check "uninstall leaves nothing" uninstalled
    check "kubectl run, as the documents have it" one_liners
    check "helm install and cargo run, as the book has them" other_ways
    # Churn's fake pods say nothing of their security, and would be refused in what follows.
    k lab-1 label namespace "$namespace" pod-security.kubernetes.io/enforce- >/dev/null
}

# Creating is one request for each object, where applying is three. Accounts must be there for a Pod
# to be taken, so all have the one that is always there.
show() { k lab-1 create --dry-run=server --validate=strict -f "$1" >/dev/null; }

shown() {
    render "$release" --namespace shown -f "$@" --set serviceAccount.create=false \
        --set serviceAccount.churnName=default,serviceAccount.clientName=default
}

taken() {
    local file
    for file in "$scenarios"/*.yaml; do
        shown "$file" >"$work/all.yaml"
        show "$work/all.yaml" || { say "$file" && return 1; }
    done
    # It refuses what it does not know, and what is not restricted, or all this would say nothing.
    sed 's/restartPolicy: OnFailure/restartPolcy: OnFailure/' "$work/all.yaml" >"$work/wrong.yaml"
    refused restartPolcy show "$work/wrong.yaml"
    sed 's/runAsNonRoot: true/runAsNonRoot: false/' "$work/all.yaml" >"$work/wrong.yaml"
    refused PodSecurity show "$work/wrong.yaml"
}

all_taken() {
    # A class that there is.
    shown "$scenarios/quick.yaml" -f "$parts/values/everything.yaml" \
        --set priorityClassName=system-cluster-critical >"$work/all.yaml"
    show "$work/all.yaml"
}

# As a release too: of a Deployment that did not match its selector the API server would make none.
own_labels_taken() {
    local where key labels=()
    for key in $own_labels job-name controller-uid batch.kubernetes.io/job-name batch.kubernetes.io/controller-uid pod-template-hash; do
        for where in commonLabels podLabels churn.podLabels client.podLabels; do
            labels+=(--set-string "$where.${key//./\\.}=x")
        done
    done
    shown "$scenarios/quick.yaml" "${labels[@]}" >"$work/all.yaml"
    show "$work/all.yaml"
    shown "$scenarios/federated-oscillation.yaml" -f "$parts/values/source.yaml" "${labels[@]}" >"$work/all.yaml"
    show "$work/all.yaml"
    h lab-1 install labels "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" "${labels[@]}" --wait --timeout 60s >"$work/notes"
    grep -qF 'WARNING: commonLabels: the chart sets the label app.kubernetes.io/name itself' "$work/notes"
    h lab-1 uninstall labels --wait >/dev/null
    # What the templates work on is no value of the release.
    absent '^ready' "$(h lab-1 get values "$release" --all)"
    # Numbers where Kubernetes wants texts.
    shown "$scenarios/quick.yaml" --set-json 'churn.extraEnv=[{"name":"A","value":12345678}],client.extraEnv=[{"name":"B","value":true}]' \
        --set-json 'commonLabels={"a":12345678},podAnnotations={"b":1e6},nodeSelector={"c":true},client.extraArgs=[12345678,0.5]' >"$work/all.yaml"
    show "$work/all.yaml"
}

# All nodes are KWOK's, so that the pods must wait: for their affinity, as the taint is tolerated.
avoided() {
    h lab-1 install "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --set kwok.avoidNodes=true >/dev/null
    within 20 unschedulable
}

unschedulable() {
    local said
    said=$(one get pods -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="PodScheduled")].reason}{" "}{end}')
    expect "pods' conditions" "Unschedulable Unschedulable " "$said"
}

installed() {
    h lab-1 uninstall "$release" --wait >/dev/null
    h lab-1 install "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --wait --timeout 60s >"$work/notes"
    expect "ready pods" "true true " "$(one get pods -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].ready}{" "}{end}')"
}

# Everything in the namespace but what Kubernetes itself makes there.
objects_there() {
    local context=$1 kinds
    kinds=$(k "$context" api-resources --verbs=list --namespaced -o name | grep -vE '^(events|endpoints)(\.|$)' | paste -sd,)
    k "$context" -n "$namespace" get "$kinds" -o name 2>/dev/null | sort -u |
        grep -vxE 'configmap/kube-root-ca.crt|serviceaccount/default' || true
}

everything_there() {
    local context=$1 kinds
    # Of Services' addresses, some are taken back only after a while.
    kinds=$(k "$context" api-resources --verbs=list --namespaced=false -o name | grep -vE '^(componentstatuses|ipaddresses)' | paste -sd,)
    k "$context" get "$kinds" -o name 2>/dev/null | sort -u
    objects_there "$context"
}

# Without what changes from one to the next.
objects() {
    objects_there lab-1 | sed -E -e 's/-churn-[0-9a-f]{8}$/-churn-HASH/' -e "s/(replicaset.apps|pod|endpointslice[^/]*)\/$release-(churn|client)-[0-9a-z-]+$/\1\/$release-\2-…/" |
        grep -v '/dst-load-test-dashboard-' >"$work/objects"
    diff "$parts/expected/objects" "$work/objects"
    k lab-1 get clusterrole,clusterrolebinding -o name -l "app.kubernetes.io/instance=$release" | paste -sd' ' >"$work/objects"
    expect "cluster-scoped objects" "clusterrole.rbac.authorization.k8s.io/$namespace-$release-nodes clusterrolebinding.rbac.authorization.k8s.io/$namespace-$release-nodes" "$(cat "$work/objects")"
}

churn_pods() { one get pods -l app.kubernetes.io/component=churn -o 'jsonpath={.items[*].metadata.name}'; }

notes() {
    grep -qF "logs -f $(churn_pods)" "$work/notes"
    grep -qF "report --from-pods --namespace $namespace --release $release --wait" "$work/notes"
    grep -qF 'Nothing scrapes these pods' "$work/notes"
    absent WARNING "$(cat "$work/notes")"
    # An odd release has all of them.
    h lab-1 install odd "$chart" --dry-run=client -f "$scenarios/federated-oscillation.yaml" --set churn.enabled=false,mesh.enabled=true >"$work/notes"
    for words in 'mesh.enabled:' 'churn is not enabled' 'client.observe.kubeconfigSecret is empty' \
        'federation.localServices'; do
        grep -qF "WARNING: $words" "$work/notes" || grep -qF "WARNING: the scenario spans two clusters, and $words" "$work/notes" ||
            { say "not warned: $words" && return 1; }
    done
    grep -q "criteria.target needs the destination controller's own metrics" "$work/notes" ||
        { say 'not said where the metrics are looked for' && return 1; }
    h lab-1 install odd "$chart" --dry-run=client -f "$scenarios/baseline.yaml" --set client.enabled=false >"$work/notes"
    grep -qF 'WARNING: the clients are not enabled' "$work/notes"
    h lab-1 install odd "$chart" --dry-run=client -f "$scenarios/baseline.yaml" >"$work/notes"
    grep -qF 'runs until you stop it' "$work/notes"
}

# A port's name that is none would leave a slice without ports.
served() {
    local half
    for half in churn client; do
        expect "$half's slice" "9990 1" "$(one get endpointslices -l "kubernetes.io/service-name=$release-$half" \
            -o 'jsonpath={.items[*].ports[*].port} {range .items[*].endpoints[*]}1{end}')"
    done
}

may() {
    local account=$1 verb=$2 resource=$3 wanted=$4 answer
    answer=$(one auth can-i "$verb" "$resource" --as "system:serviceaccount:$namespace:$release-$account" "${@:5}" 2>/dev/null || true)
    expect "$account: $verb $resource ${*:5}" "$wanted" "$answer"
}

churn_may() {
    local rule
    for rule in "create services" "patch deployments.apps" "patch leases.coordination.k8s.io" \
        "delete services"; do
        # shellcheck disable=SC2086 # Two words.
        may churn $rule yes
    done
    may churn patch deployments.apps yes --subresource scale
    for rule in "delete nodes" "list nodes" "get secrets" "create pods" "watch services" "create roles.rbac.authorization.k8s.io"; do
        # shellcheck disable=SC2086
        may churn $rule no
    done
    may churn create services no --namespace default
}

client_may() {
    local rule
    for rule in "list services" "watch services" "list endpointslices.discovery.k8s.io" "watch nodes"; do
        # shellcheck disable=SC2086
        may client $rule yes
    done
    for rule in "create services" "get secrets" "list pods" "patch deployments.apps" "delete nodes"; do
        # shellcheck disable=SC2086
        may client $rule no
    done
    may client list services no --namespace default
}

pod_uids() { one get pods -o 'jsonpath={.items[*].metadata.uid}'; }

unchanged() {
    local uids
    uids=$(pod_uids)
    h lab-1 upgrade "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --wait --timeout 60s >/dev/null
    expect "the pods' uids" "$uids" "$(pod_uids)"
}

missing_made() {
    local pod
    pod=$(churn_pods)
    one delete pod "$pod" --wait >/dev/null
    h lab-1 upgrade "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --wait --timeout 60s >/dev/null
    expect "the Pod" "$pod" "$(churn_pods)"
}

# As churn does it: a Service that belongs to its Pod, made with its account.
made_by_churn() {
    one create --as "system:serviceaccount:$namespace:$release-churn" -f - >/dev/null <<Y
apiVersion: v1
kind: Service
metadata:
  name: test-service-1
  ownerReferences:
    - {apiVersion: v1, kind: Pod, name: $1, uid: $(one get pod "$1" -o 'jsonpath={.metadata.uid}')}
spec: {ports: [{port: 8080}]}
Y
}

gone() { [[ -z $(one get "$@" --ignore-not-found -o name) ]]; }

replaced() {
    local old clients
    old=$(churn_pods)
    clients=$(one get pods -l app.kubernetes.io/component=client -o 'jsonpath={.items[*].metadata.uid}')
    made_by_churn "$old"
    h lab-1 upgrade "$release" "$chart" -f "$scenarios/small-oscillation.yaml" "${on_lab[@]}" --wait --timeout 60s >/dev/null
    within 20 gone "pod/$old"
    [[ $(churn_pods) =~ ^dst-load-test-churn-[0-9a-f]{8}$ && $(churn_pods) != "$old" ]]
    within 20 gone service/test-service-1
    [[ $(one get pods -l app.kubernetes.io/component=client -o 'jsonpath={.items[*].metadata.uid}') != "$clients" ]]
    grep -q 'maxEndpoints: 200' <<<"$(one get configmap "$release-scenario" -o 'jsonpath={.data.scenario\.yaml}')"
    within 10 served
}

client_count() {
    expect "ready clients" "$1" "$(one get deployment "$release-client" -o 'jsonpath={.status.readyReplicas}')"
    expect "clients" "$1" "$(one get pods -l app.kubernetes.io/component=client -o name | wc -l)"
}

scaled() {
    local churn
    churn=$(churn_pods)
    one scale deployment "$release-client" --replicas 3 >/dev/null
    within 20 client_count 3
    expect "the churn Pod" "$churn" "$(churn_pods)"
    h lab-1 upgrade "$release" "$chart" -f "$scenarios/small-oscillation.yaml" "${on_lab[@]}" \
        --set client.replicas=2 --wait --timeout 60s >/dev/null
    within 20 client_count 2
}

# In name only: enough to know the kind.
monitoring_kinds() {
    local kind singular
    for kind in PodMonitor ServiceMonitor PrometheusRule; do
        singular=$(tr '[:upper:]' '[:lower:]' <<<"$kind")
        cat <<Y
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${singular}s.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: $kind, plural: ${singular}s, singular: $singular}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
Y
    done
}

monitored() {
    absent 'monitoring\.coreos' "$(objects_there lab-1)"
    monitoring_kinds | k lab-1 apply -f - >/dev/null
    k lab-1 wait --for condition=Established crd/{podmonitors,servicemonitors,prometheusrules}.monitoring.coreos.com --timeout 20s >/dev/null
    h lab-1 upgrade "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --wait --timeout 60s >"$work/notes"
    expect monitors "podmonitor.monitoring.coreos.com/$release" "$(one get podmonitors,servicemonitors -o name)"
    absent 'Nothing scrapes' "$(cat "$work/notes")"
    # It finds the pods by these labels, and the port by this name.
    local name instance
    name=$(one get podmonitor "$release" -o 'jsonpath={.spec.selector.matchLabels.app\.kubernetes\.io/name}')
    instance=$(one get podmonitor "$release" -o 'jsonpath={.spec.selector.matchLabels.app\.kubernetes\.io/instance}')
    expect "pods that it finds" 2 "$(one get pods -o name -l "app.kubernetes.io/name=$name,app.kubernetes.io/instance=$instance" | wc -l)"
    name=$(one get podmonitor "$release" -o 'jsonpath={.spec.podMetricsEndpoints[0].port}')
    expect "their port" "$name $name" "$(one get pods -o 'jsonpath={.items[*].spec.containers[*].ports[*].name}')"
}

# KWOK says of a Job's pod at once that it has succeeded. So this shows that both Jobs are admitted and
# run as the right account, and go again; what the tool says in them is not seen here.
tested() {
    # Not by a function: that would be a shell whose end is not the watch's.
    kubectl --kubeconfig "$kubeconfig" --context lab-1 -n "$namespace" get pods -w -o 'jsonpath={.metadata.labels.job-name} {.spec.serviceAccountName} {.spec.containers[0].args}{"\n"}' \
        -l app.kubernetes.io/component=test >"$work/tests" 2>"$work/tests.log" &
    local watch=$! said
    said=$(h lab-1 test "$release" --timeout 60s 2>&1) || { kill $watch && say "$said" && return 1; }
    kill $watch
    expect "what succeeded" 2 "$(grep -c '^Phase: *Succeeded' <<<"$said")"
    for half in churn client; do
        grep -q "^$release-test-$half $release-$half .*\"check\".*\"$half\"" "$work/tests" || { cat "$work/tests" && return 1; }
    done
    within 10 gone job,pod -l app.kubernetes.io/component=test
}

nothing_left() {
    local context=$1
    everything_there "$context" >"$work/after"
    diff "$work/before" "$work/after"
}

uninstalled() {
    made_by_churn "$(churn_pods)"
    h lab-1 uninstall "$release" --wait --timeout 60s >/dev/null
    k lab-1 delete crd {podmonitors,servicemonitors,prometheusrules}.monitoring.coreos.com >/dev/null
    within 30 nothing_left lab-1
}

# The command lines of documents, each on one line.
commands() { sed -s -e ':join' -e '/\\$/ { N; s/\\\n *//; b join' -e '}' "$@"; }

# The other ways of the book: a release, shown to the API server, and the tool on one's own machine.
other_ways() {
    local line count=0
    while IFS= read -r line; do
        line="${line/ -n dst-load-test --create-namespace/ --dry-run=server}"
        (cd "$root" && eval "h lab-1 ${line#helm}" >/dev/null) || { say "$line" && return 1; }
        count=$((count + 1))
    done < <(commands "$root/README.md" "$root/docs/in-a-cluster.md" | grep '^helm install')
    [[ -z $tool ]] || while IFS= read -r line; do
        eval "\"\$tool\" ${line#cargo run --release -- } --help" >/dev/null || { say "$line" && return 1; }
        count=$((count + 1))
    done < <(commands "$root/README.md" "$root/docs/in-a-cluster.md" | grep '^cargo run --release -- client')
    expect "lines" "$([[ -n $tool ]] && echo 4 || echo 2)" "$count"
}

# The documents' lines, with a dry run for an end; and what the role edit allows. In a namespace that
# enforces nothing: such a Pod says nothing of its security.
one_liners() {
    local line argument count=0 rule given dry
    dry=" --dry-run=server -o 'jsonpath={range .spec.containers[0].args[*]}{@}{\"\\n\"}{end}'"
    while IFS= read -r line; do
        line="${line/ --rm -it/$dry}"
        line="k lab-1 -n default${line#kubectl -n shop}"
        eval "$line" >"$work/run" || { say "$line" && return 1; }
        given=()
        while IFS= read -r argument; do given+=("$argument"); done <"$work/run"
        [[ -z $tool ]] || "$tool" "${given[@]}" --help >/dev/null
        count=$((count + 1))
    done < <(commands "$chart/README.md" "$root/README.md" "$root/docs/in-a-cluster.md" | grep '^kubectl -n shop run')
    expect "lines" 4 "$count"
    one create rolebinding ad-hoc --clusterrole=edit --serviceaccount="$namespace:default"
    for rule in "create services" "delete services" "patch deployments.apps" "delete deployments.apps" \
        "create leases.coordination.k8s.io" "patch leases.coordination.k8s.io" "watch endpointslices.discovery.k8s.io"; do
        # shellcheck disable=SC2086 # Two words.
        expect "$rule" yes "$(one auth can-i $rule --as "system:serviceaccount:$namespace:default")"
    done
    expect scale yes "$(one auth can-i patch deployments.apps --subresource scale --as "system:serviceaccount:$namespace:default")"
    one delete rolebinding ad-hoc
}
