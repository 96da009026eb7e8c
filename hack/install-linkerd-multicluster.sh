#!/usr/bin/env bash
# Installs Linkerd into the source cluster, what it looks at into the target, and links the two.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<'U'
Usage: hack/install-linkerd-multicluster.sh [--source CONTEXT] [--target CONTEXT] [--server URL]
                                            [--monitoring] [--any-cli] [--sync] [--dry-run]

The source gets `helmfile -e source` (Linkerd with its multicluster extension, KWOK), the target gets
`helmfile -e target` (Linkerd's CRDs, an account for the source's controllers, KWOK; no control plane),
and the source gets a Link named target. What is there as wanted is left alone.

  --source CONTEXT  k3d-source unless given
  --target CONTEXT  k3d-target unless given
  --server URL      the target's API server, as pods of the source reach it: the address of its
                    control-plane Node, port 6443, unless given
  --monitoring      Prometheus and Grafana in the source, too
  --any-cli         takes a linkerd CLI of another version than the charts
  --sync            installs again what seems to be there as wanted, for values that were changed
  --dry-run         shows the commands that would change something, and changes nothing

Both take their certificates from LINKERD_CA_DIR (hack/gen-certs.sh).
U
}

source_context=k3d-source target_context=k3d-target server='' any_cli='' sync='' monitoring=()
while (($#)); do
    case $1 in
        --source=*) source_context=${1#*=} ;;
        --source) argument "$@" && source_context=$value && shift ;;
        --target=*) target_context=${1#*=} ;;
        --target) argument "$@" && target_context=$value && shift ;;
        --server=*) server=${1#*=} ;;
        --server) argument "$@" && server=$value && shift ;;
        --monitoring) monitoring=(--state-values-set monitoring.enabled=true) ;;
        --any-cli) any_cli=yes ;;
        --sync) sync=yes ;;
        --dry-run) dry_run=yes ;;
        -h | --help) usage && exit ;;
        *) misused "unknown argument $1" ;;
    esac
    shift
done
[[ $source_context != "$target_context" ]] || misused "source and target are both $source_context"

need_helm
need_helmfile
need_kubectl
need_linkerd "the edge release of the charts in helmfile.yaml"
have_all

export LINKERD_CA_DIR=${LINKERD_CA_DIR:-/tmp/linkerd-ca}
for name in ca.crt issuer.crt issuer.key; do
    [[ -s $LINKERD_CA_DIR/$name ]] ||
        die "$LINKERD_CA_DIR/$name is missing; make it with hack/gen-certs.sh, and name its directory in LINKERD_CA_DIR"
done
reachable "$source_context"
reachable "$target_context"

source_state=(--environment source --kube-context "$source_context" ${monitoring[@]+"${monitoring[@]}"})
target_state=(--environment target --kube-context "$target_context")

# Charts are versioned 2026.8.3 where Linkerd is edge-26.8.3.
chart=$(wanted "${source_state[@]}" | sed -n 's#.*/linkerd-control-plane linkerd-control-plane-20##p')
[[ -n $chart ]] || die "helmfile.yaml has no linkerd-control-plane of an edge release"
release=edge-$chart
cli=$(linkerd version --client --short) || die "linkerd version --client --short fails: $cli"
if [[ $cli != "$release" && -z $any_cli ]]; then
    die "the linkerd CLI is $cli, and the charts are $release; install it with: curl -sSfL https://run.linkerd.io/install-edge | LINKERD2_VERSION=$release sh (or take this one with --any-cli)"
fi
# edge-25.3.4 was the first.
linkerd multicluster link-gen --help >/dev/null 2>&1 ||
    die "linkerd $cli has no \`multicluster link-gen\`; it is in edge-25.3.4 and later, $release is right"

# install CONTEXT HELMFILE-ARGUMENT...
install() {
    local context=$1 absent
    shift
    absent=$(lacking "$context" "$@")
    if [[ -z $absent && -z $sync ]]; then
        say "$context has all that is wanted."
        return
    fi
    say "Installing into $context ($(why "$absent"))."
    run helmfile --file "$root/helmfile.yaml" "$@" sync ||
        die "helmfile could not install all into $context; what it said is above"
}

# What `link-gen` wants to read in the target: where there is a control plane its chart writes it. The
# source's identities and names hold on both sides.
config='apiVersion: v1
kind: ConfigMap
metadata: {name: linkerd-config, namespace: linkerd}
data:
  values: |
    clusterDomain: cluster.local
    identityTrustDomain: cluster.local'

# apply CONTEXT NAME MANIFEST: where it differs from what is there. Says no secret.
apply() {
    local code=0
    kubectl --context "$1" diff --filename - >/dev/null 2>&1 <<<"$3" || code=$?
    ((code)) || return 0
    say "+ kubectl --context $1 apply --filename - # $2"
    [[ -n $dry_run ]] || kubectl --context "$1" apply --filename - >/dev/null <<<"$3" ||
        die "$2 could not be written to $1; what kubectl said is above"
    changed=yes
}

install "$target_context" "${target_state[@]}"
install "$source_context" "${source_state[@]}"
apply "$target_context" "the ConfigMap linkerd-config" "$config"

if [[ -z $server ]]; then
    address=$(kubectl --context "$target_context" get nodes \
        --selector node-role.kubernetes.io/control-plane \
        --output 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}' 2>/dev/null) || address=''
    [[ -n $address ]] ||
        die "$target_context shows no address of a Node of its control plane; give the API server's with --server URL"
    server=https://$address:6443
fi

link_gen=(linkerd --context "$target_context" multicluster link-gen --cluster-name target
    --gateway=false --api-server-address "$server")
if [[ -n $dry_run ]] && ! kubectl --context "$target_context" --namespace linkerd-multicluster \
    get serviceaccount linkerd-service-mirror-remote-access-default >/dev/null 2>&1; then
    say "+ $(typed "${link_gen[@]}") | kubectl --context $source_context apply --filename -"
    exit
fi
known=$(kubectl --context "$source_context" --namespace linkerd \
    get secret cluster-credentials-target --ignore-not-found --output name)
link=$("${link_gen[@]}") ||
    die "linkerd could not write the Link; what it said is above"
changed=''
apply "$source_context" "the Link target and its credentials" "$link"
if [[ -n $changed && -n $known ]]; then
    # It reads a cluster's credentials once: what is changed later it does not see.
    run kubectl --context "$source_context" --namespace linkerd rollout restart deployment/linkerd-destination
fi
[[ -z $dry_run ]] || exit 0
for deployment in linkerd/linkerd-destination linkerd-multicluster/controller-target; do
    kubectl --context "$source_context" --namespace "${deployment%/*}" \
        rollout status --timeout 300s "deployment/${deployment#*/}" >/dev/null ||
        die "$deployment does not become ready in $source_context; see: kubectl --context $source_context describe pods -n ${deployment%/*}"
done
say "Linked: $source_context sees $target_context as the cluster \"target\"."
