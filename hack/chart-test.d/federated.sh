# Sourced by chart-test: one release over two clusters, churn in lab-2 and clients in lab-1.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, chart, parts, work, tool, scenarios, …: of chart-test and its parts.

scenario=$scenarios/federated-oscillation.yaml

test_federated() {
    heading "over two clusters"
    everything_there lab-1 >"$work/before"
    everything_there lab-2 >"$work/before-2"
    check "the Secret of the README lets clients observe the target, and no more" observer
    check "install: churn alone in the target" target
    check "install: clients alone in the source" source_cluster
    check "the Services that stand for others are Linkerd's" stand_ins
    if [[ -n $tool && -n ${LINKERD_DESTINATION_BIN:-} ]]; then
        check "report --from-pods: two releases are one run, and Linkerd passes it" measured_federated
    else
        say "not measured over two clusters, without a real controller (LINKERD_DESTINATION_BIN)"
    fi
    check "uninstall leaves nothing in either" both_uninstalled
    if [[ -n ${CHART_TEST_KEEP:-} ]]; then
        check "install, to be kept" kept
    fi
}

# As the README has it.
observer() {
    local file=$work/target.kubeconfig
    k lab-2 -n "$namespace" create serviceaccount observer
    k lab-2 -n "$namespace" create role observer --verb=list,watch --resource=services,endpointslices.discovery.k8s.io
    k lab-2 -n "$namespace" create rolebinding observer --role=observer --serviceaccount="$namespace:observer"
    k lab-2 create clusterrole dst-load-observer --verb=list,watch --resource=nodes
    k lab-2 create clusterrolebinding dst-load-observer --clusterrole=dst-load-observer --serviceaccount="$namespace:observer"
    k lab-2 config view --raw --minify --flatten >"$file"
    kubectl --kubeconfig "$file" config unset users
    kubectl --kubeconfig "$file" config set-credentials \
        "$(kubectl --kubeconfig "$file" config view -o 'jsonpath={.contexts[0].context.user}')" \
        --token "$(k lab-2 -n "$namespace" create token observer --duration 1h)"
    k lab-1 -n "$namespace" create secret generic target-cluster --from-file=kubeconfig="$file"

    # With what is in the Secret, and nothing else.
    k lab-1 -n "$namespace" get secret target-cluster -o 'go-template={{.data.kubeconfig | base64decode}}' >"$file.read"
    kubectl --kubeconfig "$file.read" -n "$namespace" get services,endpointslices,nodes
    refused forbidden kubectl --kubeconfig "$file.read" -n "$namespace" get secrets
    refused forbidden kubectl --kubeconfig "$file.read" -n "$namespace" create service clusterip x --tcp=80
}

target() {
    h lab-2 install "$release" "$chart" -f "$scenario" -f "$parts/values/target.yaml" "${on_lab[@]}" --wait --timeout 60s
    expect "target's pods" churn "$(components lab-2 pods)"
    expect "target's Services" churn "$(components lab-2 services)"
    k lab-2 -n "$namespace" get pods -o 'jsonpath={.items[0].status.podIP}' >"$work/churn-address"
}

source_cluster() {
    h lab-1 install "$release" "$chart" -f "$scenario" -f "$parts/values/source.yaml" "${on_lab[@]}" \
        --set "client.churnUrl=http://$(cat "$work/churn-address"):9990" --wait --timeout 60s
    expect "source's pods" client "$(components lab-1 pods)"
    expect "source's Services" "client stand-in" "$(components lab-1 services)"
    expect "source's Deployment" 1 "$(one get deployment "$release-client" -o 'jsonpath={.status.readyReplicas}')"
    # The Secret's key as the file that the arguments name.
    expect "the kubeconfig's place" "kubeconfig kubeconfig" \
        "$(one get pods -o 'jsonpath={.items[0].spec.volumes[?(@.name=="observe")].secret.items[0].key} {.items[0].spec.volumes[?(@.name=="observe")].secret.items[0].path}')"
}

components() {
    k "$1" -n "$namespace" get "$2" -o 'jsonpath={range .items[*]}{.metadata.labels.app\.kubernetes\.io/component}{"\n"}{end}' | sort -u | paste -sd' '
}

marks=NAME:.metadata.name,APP:.metadata.labels.app
marks+=,PROXY:'.metadata.labels.service\.kubernetes\.io/service-proxy-name'
marks+=,CLUSTER:'.metadata.labels.multicluster\.linkerd\.io/remote-discovery'
marks+=,SERVICE:'.metadata.labels.multicluster\.linkerd\.io/remote-service'
marks+=,MEMBERS:'.metadata.annotations.multicluster\.linkerd\.io/remote-discovery'
marks+=,PORTS:.spec.ports,SELECTOR:.spec.selector

# What a controller reads of those that stand for others.
marked() {
    k lab-1 -n "$1" get services -l service.kubernetes.io/service-proxy-name=dst-load-controller -o custom-columns="$marks"
}

stand_ins() {
    marked "$namespace" >"$work/stand-ins"
    expect "how many" 20 "$(($(wc -l <"$work/stand-ins") - 1))"
    grep -qE '^test-service-10-target .* target +test-service-10 +<none> ' "$work/stand-ins"
    grep -qE '^test-service-1-federated .* <none> +<none> +test-service-1@target ' "$work/stand-ins"
    # The tool's own are these, to the letter.
    [[ -z $tool ]] && return
    k lab-1 create namespace linked
    "$tool" link --kubeconfig "$kubeconfig" --context lab-1 --churn-context lab-2 --scenario "$scenario" --namespace linked
    marked linked >"$work/linked"
    "$tool" cleanup --kubeconfig "$kubeconfig" --context lab-1 --run-id link-target
    k lab-1 delete namespace linked
    diff "$work/linked" "$work/stand-ins"
}

both_uninstalled() {
    h lab-1 uninstall "$release" --wait --timeout 60s
    h lab-2 uninstall "$release" --wait --timeout 60s
    one delete secret target-cluster
    k lab-2 -n "$namespace" delete serviceaccount/observer role/observer rolebinding/observer
    k lab-2 delete clusterrole/dst-load-observer clusterrolebinding/dst-load-observer
    within 30 nothing_left lab-1
    cp "$work/before-2" "$work/before"
    within 30 nothing_left lab-2
}

kept() { h lab-1 install "$release" "$chart" -f "$scenarios/quick.yaml" "${on_lab[@]}" --wait --timeout 60s; }
