# Sourced by up, down and status: where the lab's things are, and what they have in common.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

# Everything that a lab leaves on disk, but for the tools. Another directory is another lab.
lab=${LAB_DIR:-$root/.lab}
mkdir -p "$lab"
lab=$(cd "$lab" && pwd)
# shellcheck disable=SC2034 # For those who source this.
kubeconfig=$lab/kubeconfig

# The tools are built once for each state of their go.mod files, whichever clone asks.
tools_hash=$(cd "$here/tools" && cat -- */go.mod */go.sum | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dst-load-controller/lab
bin=$cache/$tools_hash/bin

kubernetes_version=$(sed -n 's#.*k8s.io/kubernetes \(v[0-9.]*\).*#\1#p' "$here/tools/kubernetes/go.mod")

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The path as a user would type it: relative to the clone where it is inside it.
short() { printf '%s' "${1#"$PWD"/}"; }

run_kwokctl() {
    KWOK_WORKDIR=$lab/kwok KWOK_KUBE_VERSION=$kubernetes_version \
        "$bin/kwokctl" --config "$lab/kwokctl.yaml" "$@"
}

# kubectl on one cluster; it gives up on an API server that does not answer.
on() {
    local context=$1
    shift
    kubectl --kubeconfig "$lab/$context.kubeconfig" --context "$context" --request-timeout 10s "$@"
}

# The clusters that were made, whether or not they run.
clusters() {
    local directory
    for directory in "$lab"/kwok/clusters/lab-*; do
        [[ -d $directory ]] && basename "$directory"
    done
    return 0
}

answers() { on "$1" get --raw /readyz >/dev/null 2>&1; }

# Whether the process of a pid file still is what the file says: pids are used again.
runs() {
    local pid_file=$1 name=$2 pid
    pid=$(cat "$pid_file" 2>/dev/null) || return 1
    [[ -n $pid ]] && ps -ww -o args= -p "$pid" 2>/dev/null | grep -qF -- "$name"
}

# Ends the process of a pid file, and waits until it is gone.
end() {
    local pid_file=$1 name=$2 pid
    if runs "$pid_file" "$name"; then
        pid=$(cat "$pid_file")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$pid_file"
}

# Ends a cluster's processes and deletes all that it held.
delete_cluster() {
    local cluster=$1 directory=$lab/kwok/clusters/$1 pid_file
    for pid_file in "$directory"/pids/*.pid; do
        # kwokctl ends whatever has the pid now, even after a restart of the machine.
        [[ -f $pid_file ]] && ! runs "$pid_file" "$directory" && rm -f "$pid_file"
    done
    if [[ -x $bin/kwokctl ]]; then
        run_kwokctl --name "$cluster" delete cluster --kubeconfig "$lab/$cluster.kubeconfig" \
            >"$lab/$cluster.down.log" 2>&1 || true
    fi
    for pid_file in "$directory"/pids/*.pid; do
        [[ -f $pid_file ]] && end "$pid_file" "$directory"
    done
    rm -rf "$directory" "$lab/$cluster.kubeconfig"
}

stop_destination() {
    end "$lab/destination.pid" "$lab/lab-1.kubeconfig"
    rm -f "$lab"/destination.{command,port,metrics-port}
}
