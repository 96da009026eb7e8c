#!/usr/bin/env bash
# Makes two k3d clusters, source and target, whose pods can reach each other.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The Kubernetes of the lab (hack/lab).
image=rancher/k3s:v1.36.3-k3s1
network=dst-load-test

usage() {
    cat <<U
Usage: hack/k3d-multicluster.sh [--image IMAGE] [--network NAME] [--delete] [--dry-run]

Makes the clusters source and target (contexts k3d-source and k3d-target) on one Docker network:

            pods           of these fake   Services
  source    10.42.0.0/16   10.42.128.0/17  10.43.0.0/16
  target    10.44.0.0/16   10.44.128.0/17  10.45.0.0/16

No range overlaps another, and each server has a route to the other's pods: a flat network. The fake
ones are those of \`helmfile -e source\` and \`-e target\`. What is there stays; what is missing is made.
Routes are lost when a container is restarted: run this again.

  --image IMAGE   $image unless given
  --network NAME  $network unless given
  --delete        deletes both clusters and the network
  --dry-run       shows the commands that would change something, and changes nothing

Then: hack/install-linkerd-multicluster.sh
U
}

delete=''
while (($#)); do
    case $1 in
        --image=*) image=${1#*=} ;;
        --image) argument "$@" && image=$value && shift ;;
        --network=*) network=${1#*=} ;;
        --network) argument "$@" && network=$value && shift ;;
        --delete) delete=yes ;;
        --dry-run) dry_run=yes ;;
        -h | --help) usage && exit ;;
        *) misused "unknown argument $1" ;;
    esac
    shift
done

# It is part of a template of Docker's.
[[ $network =~ ^[a-zA-Z0-9][a-zA-Z0-9_.-]*$ ]] || misused "--network $network: letters, digits, _, . and -"

need_docker
need_k3d
[[ -n $delete ]] || need_kubectl
have_all
said=$(docker info 2>&1 >/dev/null) || die "docker does not answer, which k3d needs: $said"

declare -A pods=([source]=10.42.0.0/16 [target]=10.44.0.0/16)
declare -A services=([source]=10.43.0.0/16 [target]=10.45.0.0/16)

exists() { k3d cluster list "$1" >/dev/null 2>&1; }

network_exists() { docker network inspect "$network" >/dev/null 2>&1; }

# The server's address on the network; fails where it is not on it.
address() {
    local found
    found=$(docker inspect --format "{{with index .NetworkSettings.Networks \"$network\"}}{{.IPAddress}}{{end}}" \
        "k3d-$1-server-0") && [[ -n $found ]] && say "$found"
}

if [[ -n $delete ]]; then
    for cluster in source target; do
        if exists "$cluster"; then
            run k3d cluster delete "$cluster"
        fi
    done
    if network_exists; then
        run docker network rm "$network"
    fi
    [[ -n $dry_run ]] || say "The clusters source and target are gone."
    exit
fi

# One server each: what is churned is on fake Nodes, and a route to one machine reaches all pods.
create() {
    # Kubernetes' own default lets its controllers make some 20 pods a second: a scale-up would
    # arrive over minutes, and the destination controller would never be pressed.
    run k3d cluster create "$1" --image "$image" --network "$network" --servers 1 --agents 0 --no-lb \
        --kubeconfig-switch-context=false \
        --k3s-arg "--cluster-cidr=${pods[$1]}@server:*" \
        --k3s-arg "--service-cidr=${services[$1]}@server:*" \
        --k3s-arg '--disable=local-storage,traefik,servicelb,metrics-server@server:*' \
        --k3s-arg '--kube-controller-manager-arg=kube-api-qps=400@server:*' \
        --k3s-arg '--kube-controller-manager-arg=kube-api-burst=800@server:*' \
        --k3s-arg '--kube-scheduler-arg=kube-api-qps=400@server:*' \
        --k3s-arg '--kube-scheduler-arg=kube-api-burst=800@server:*' ||
        die "k3d could not make the cluster $1; what it said is above"
}

# route FROM TO: the way from one server to the other cluster's pods.
route() {
    local to there
    if ! to=$(address "$2" 2>/dev/null); then
        # Only a dry run can be here without it.
        to="ADDRESS-OF-k3d-$2-server-0"
    elif there=$(docker exec "k3d-$1-server-0" ip route show "${pods[$2]}" 2>/dev/null) &&
        [[ "$there " == *" via $to "* ]]; then
        return
    fi
    run docker exec "k3d-$1-server-0" ip route replace "${pods[$2]}" via "$to"
}

network_exists || run docker network create "$network"
for cluster in source target; do
    if ! exists "$cluster"; then
        create "$cluster"
        [[ -n $dry_run ]] || address "$cluster" >/dev/null ||
            die "the cluster $cluster came up without an address on the network $network"
        continue
    fi
    [[ $(docker inspect --format '{{.State.Running}}' "k3d-$cluster-server-0") == true ]] ||
        run k3d cluster start "$cluster"
    [[ -n $dry_run ]] || address "$cluster" >/dev/null ||
        die "there is a cluster $cluster, but not on the network $network; delete it (k3d cluster delete $cluster), or give its network with --network"
done
route source target
route target source
if [[ -z $dry_run ]]; then
    for cluster in source target; do
        kubectl --context "k3d-$cluster" wait --for condition=Ready --timeout 120s \
            "node/k3d-$cluster-server-0" >/dev/null ||
            die "the Node of $cluster does not become ready; see: docker logs k3d-$cluster-server-0"
    done
    say "Up: k3d-source and k3d-target. Next: hack/install-linkerd-multicluster.sh"
fi
