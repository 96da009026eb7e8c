# Sourced by chart-test: helm, built once for each state of its go.mod, beside the lab's tools.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root: of chart-test.

find_helm() {
    if [[ -n ${HELM:-} ]]; then
        helm=$(command -v "$HELM") || die "HELM: $HELM is no program"
        return
    fi
    local module=$root/hack/tools/helm cache hash
    hash=$(cat -- "$module/go.mod" "$module/go.sum" | sha256sum | cut -c1-16)
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/dst-load-controller/helm
    helm=$cache/$hash/helm
    [[ -x $helm ]] || build_helm "$module" "$cache"
}

# Into a directory beside, so that what was interrupted is never taken for whole.
build_helm() {
    local module=$1 cache=$2 fresh version kubernetes flags
    command -v go >/dev/null || die "go is missing, which builds helm; install it from https://go.dev/dl/"
    printf 'Building helm, once: a minute on 2 cores.\n' >&2
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/build.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$fresh'" EXIT
    # Built as a module it knows neither its own version nor that of Kubernetes.
    version=$(module_version helm.sh/helm/v3)
    kubernetes=$(module_version k8s.io/client-go)
    kubernetes=${kubernetes#v0.}
    flags="-s -w -X helm.sh/helm/v3/internal/version.version=$version"
    for package in pkg/chartutil pkg/lint/rules; do
        flags+=" -X helm.sh/helm/v3/$package.k8sVersionMajor=1"
        flags+=" -X helm.sh/helm/v3/$package.k8sVersionMinor=${kubernetes%%.*}"
    done
    (cd "$module" && nice go build -buildvcs=false -ldflags "$flags" -o "$fresh/" helm.sh/helm/v3/cmd/helm) >&2
    mkdir -p "$(dirname "$helm")"
    # Another clone may have been faster.
    mv "$fresh/helm" "$helm"
    rm -rf "$fresh"
    trap - EXIT
}

module_version() { awk -v name="$1" '$1 == name { print $2; exit }' "$module/go.mod"; }
