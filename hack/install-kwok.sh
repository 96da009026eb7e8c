#!/usr/bin/env bash
# Puts KWOK into a cluster, and fake Nodes that are large enough.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<'U'
Usage: hack/install-kwok.sh [--context CONTEXT] [--env default|source|target]
                            [--nodes N] [--pods-per-node N] [--pod-cidr RANGE] [--sync] [--dry-run]

Installs what helmfile.yaml says of KWOK and nothing else of it: the controller, the stages that make
pods ready at once, and fake Nodes. For a cluster that has a Linkerd of its own; `helmfile sync` does
this and the rest. What is there as wanted is left alone.

  --context CONTEXT    of your kubeconfig; the current one unless given
  --env ENVIRONMENT    of helmfile.yaml; source and target have pod ranges that do not overlap
  --nodes N            how many Nodes: 5 unless given
  --pods-per-node N    4,000 unless given; for Nodes that are made now
  --pod-cidr RANGE     pod addresses of all these Nodes; each takes a /20 of it. It must lie within the
                       cluster's own range, and where no real Node has its own (hack/kwok/values.yaml)
  --sync               installs again what seems to be there as wanted, for values that were changed
  --dry-run            shows the commands that would change something, and changes nothing
U
}

context='' environment=default sync='' set=()
while (($#)); do
    case $1 in
        --context=*) context=${1#*=} ;;
        --context) argument "$@" && context=$value && shift ;;
        --env=*) environment=${1#*=} ;;
        --env) argument "$@" && environment=$value && shift ;;
        --nodes=*) set+=("kwok.nodes=${1#*=}") ;;
        --nodes) argument "$@" && set+=("kwok.nodes=$value") && shift ;;
        --pods-per-node=*) set+=("kwok.podsPerNode=${1#*=}") ;;
        --pods-per-node) argument "$@" && set+=("kwok.podsPerNode=$value") && shift ;;
        --pod-cidr=*) set+=("kwok.podCIDR=${1#*=}") ;;
        --pod-cidr) argument "$@" && set+=("kwok.podCIDR=$value") && shift ;;
        --sync) sync=yes ;;
        --dry-run) dry_run=yes ;;
        -h | --help) usage && exit ;;
        *) misused "unknown argument $1" ;;
    esac
    shift
done
case $environment in
    default | source | target) ;;
    *) misused "--env $environment: default, source or target" ;;
esac
for value in ${set[@]+"${set[@]}"}; do
    # After a comma there would be another value.
    [[ ${value#*=} =~ ^[0-9./]+$ ]] || misused "${value/=/ is }: digits, and in a range dots and a slash"
done

need_helm
need_helmfile
need_kubectl
have_all
reachable "$context"

state=(--environment "$environment")
[[ -z $context ]] || state+=(--kube-context "$context")
for value in ${set[@]+"${set[@]}"}; do
    state+=(--state-values-set "$value")
done
kwok=("${state[@]}" --selector component=kwok)
on() { kubectl ${context:+--context "$context"} "$@"; }

# The Nodes by name: a Node is named after its range.
wanted_nodes() {
    local manifests reason
    # Of a chart in this repository: nothing is fetched.
    if ! manifests=$(helmfile --file "$root/helmfile.yaml" "${state[@]}" --selector name=kwok-nodes \
        template --skip-deps 2>&1); then
        # The chart says what is wrong, and helmfile says it twice and much beside.
        reason=$(sed -n 's/.*execution error at ([^)]*): //p' <<<"$manifests" | head -1)
        die "the Nodes cannot be as asked for: ${reason:-$manifests}"
    fi
    sed -n 's#^  name: \(kwok-.*\)#node/\1#p' <<<"$manifests" | sort
}

reason=''
absent=$(lacking "$context" "${kwok[@]}")
nodes=$(wanted_nodes)
if [[ -n $absent ]]; then
    reason=$(why "$absent")
elif [[ $(on get nodes --selector type=kwok --output name | sort) != "$nodes" ]]; then
    reason="the Nodes are not those that are wanted"
elif [[ -n $sync ]]; then
    reason=$(why '')
fi

# Where Kubernetes hands out ranges it refuses to start again with a Node whose range is outside the
# cluster's own. What that is cannot be asked for; but real Nodes have a part of it.
real=$(on get nodes --selector 'type!=kwok' --output 'jsonpath={range .items[*]}{.spec.podCIDR}{"\n"}{end}')
near=$(head -1 <<<"$nodes" | sed 's#node/kwok-\([0-9]*\)-\([0-9]*\)-.*#\1.\2.#')
if [[ -n $real && $'\n'$real != *$'\n'"$near"* ]]; then
    warn "the fake Nodes' range begins with $near, and those of real Nodes with $(head -1 <<<"$real" | cut -d. -f1,2).; if it is not within the cluster's range, kube-controller-manager will not start again: give one that is, with --pod-cidr"
fi

if [[ -n $reason ]]; then
    say "Installing KWOK ($reason)."
    run helmfile --file "$root/helmfile.yaml" "${kwok[@]}" sync ||
        die "helmfile could not install KWOK; what it said is above"
else
    say "KWOK is installed as wanted."
fi
[[ -z $dry_run ]] || exit 0

on wait --for condition=Ready --timeout 60s node --selector type=kwok >/dev/null ||
    die "KWOK does not make the Nodes ready; see: kubectl logs -n kube-system deployment/kwok-controller"

# A real Node in the same range would have pods with the addresses of fake ones.
table=$(on get nodes --output 'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.type} {.spec.podCIDR} {.status.allocatable.pods}{"\n"}{end}')
fake=() room=0
while read -r name kind range pods; do
    [[ $kind == kwok ]] || continue
    fake+=("$name $range")
    # 4000 is shown as 4k.
    [[ $pods != *k ]] || pods=${pods%k}000
    room=$((room + pods))
done <<<"$table"
while read -r name kind range _; do
    # A real one has no label type, so that its range is the second word.
    [[ $kind == kwok ]] || range=$kind
    [[ $range =~ ^[0-9.]+/[0-9]+$ ]] || continue
    for other in "${fake[@]}"; do
        if [[ ${other% *} != "$name" ]] && overlap "$range" "${other#* }"; then
            die "the Nodes $name ($range) and ${other% *} (${other#* }) would give pods the same addresses; take another range with --pod-cidr"
        fi
    done
done <<<"$table"
say "${#fake[@]} fake Nodes take $room pods."
