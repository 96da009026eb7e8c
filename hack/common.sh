# Sourced by the scripts beside it: how they speak, and how they call others.
# shellcheck shell=bash

# shellcheck disable=SC2034 # For those who source this.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=hack/$(basename "$0")
dry_run=

say() { printf '%s\n' "$*"; }

warn() { printf 'warning: %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# A mistake in the command line: what is wrong, and where to read what is right.
misused() {
    printf 'error: %s\nSee %s --help.\n' "$*" "$program" >&2
    exit 2
}

# Puts the argument of an option into `value`: it must be there, and not be the next option. Not to be
# called in a $( ), which would fail alone.
argument() {
    value=${2-}
    [[ -n $value && $value != -* ]] || misused "$1 wants a value"
}

# A command as one would type it.
typed() {
    local word line=
    for word in "$@"; do
        if [[ ! $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then
            word="'${word//\'/\'\\\'\'}'"
        fi
        line+=" $word"
    done
    printf '%s' "${line# }"
}

# Every command that changes something goes through here, and is shown. With --dry-run that is all.
# What only looks is called as it is, also with --dry-run: what is shown is what would be done now.
run() {
    say "+ $(typed "$@")"
    [[ -n $dry_run ]] || "$@"
}

missing=()

# need PROGRAM WHERE-TO-GET-IT: all that is missing is said at once, by `have_all`.
need() {
    command -v "$1" >/dev/null || missing+=("$1 is missing: $2")
}

have_all() {
    ((${#missing[@]})) || return 0
    printf 'error: %s\n' "${missing[@]}" >&2
    exit 1
}

# Where each is to be had. The versions are those that this was written against.
need_docker() { need docker "https://docs.docker.com/engine/install/"; }
need_helm() { need helm "https://helm.sh/docs/intro/install/ (3.21 or newer)"; }
need_helmfile() { need helmfile "https://github.com/helmfile/helmfile/releases (1.8 or newer)"; }
need_k3d() { need k3d "https://k3d.io/#installation (5.8 or newer)"; }
need_kubectl() { need kubectl "https://kubernetes.io/docs/tasks/tools/ (1.31 or newer)"; }
need_linkerd() { need linkerd "https://linkerd.io/2/getting-started/#step-1-install-the-cli ($1)"; }

# reachable CONTEXT: says why not, in kubectl's words.
reachable() {
    local said
    said=$(kubectl ${1:+--context "$1"} --request-timeout 10s get --raw /readyz 2>&1) ||
        die "the cluster of ${1:+the context }${1:-the current context} does not answer: $said"
}

# wanted ARGUMENT...: what helmfile.yaml says should be installed, as "NAMESPACE/NAME CHART-VERSION"
# lines; the arguments are helmfile's. A chart of this repository has its version in its own file.
wanted() {
    local table name namespace installed chart version
    table=$(helmfile --file "$root/helmfile.yaml" "$@" list 2>/dev/null) ||
        die "helmfile cannot read helmfile.yaml: $(helmfile --file "$root/helmfile.yaml" "$@" list 2>&1 | tail -3)"
    # The columns are padded, and the last may be empty.
    while IFS=$'\t' read -r name namespace _ installed _ chart version; do
        read -r name <<<"$name"
        read -r namespace <<<"$namespace"
        read -r installed <<<"$installed"
        read -r chart <<<"$chart"
        read -r version <<<"$version"
        [[ $installed == true ]] || continue
        if [[ $chart == ./* ]]; then
            version=$(sed -n 's/^version: //p' "$root/$chart/Chart.yaml")
            chart=$(sed -n 's/^name: //p' "$root/$chart/Chart.yaml")
        fi
        say "$namespace/$name ${chart##*/}-$version"
    done <<<"$table"
}

# found CONTEXT: what is installed, in the same form.
found() {
    local table name namespace chart
    table=$(helm ${1:+--kube-context "$1"} list --all-namespaces --deployed --no-headers) ||
        die "helm cannot list the releases of ${1:-the current context}"
    while IFS=$'\t' read -r name namespace _ _ _ chart _; do
        read -r name <<<"$name"
        read -r namespace <<<"$namespace"
        read -r chart <<<"$chart"
        [[ -z $name ]] || say "$namespace/$name $chart"
    done <<<"$table"
}

# lacking CONTEXT ARGUMENT...: what is wanted and not found, or not in that version.
lacking() {
    local context=$1 installed line expected
    shift
    # Not in a process substitution, whose failure nobody would see.
    expected=$(wanted "$@") || exit
    installed=$(found "$context") || exit
    while read -r line; do
        [[ -z $line ]] || grep -qxF -- "$line" <<<"$installed" || say "${line#*/}"
    done <<<"$expected"
}

# Why something is installed, given what `lacking` said.
why() {
    if [[ -n $1 ]]; then
        say "missing: $(cut -d' ' -f2 <<<"$1" | paste -sd, - | sed 's/,/, /g')"
    else
        say "asked for with --sync"
    fi
}

# An IPv4 range as its first and last address, in numbers.
bounds() {
    local a b c d bits first
    IFS=./ read -r a b c d bits <<<"$1"
    first=$(((a << 24) + (b << 16) + (c << 8) + d))
    say "$first $((first + (1 << (32 - bits)) - 1))"
}

overlap() {
    local first last other_first other_last
    read -r first last < <(bounds "$1")
    read -r other_first other_last < <(bounds "$2")
    ((first <= other_last && other_first <= last))
}
