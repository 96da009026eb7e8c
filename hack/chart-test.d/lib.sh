# Sourced by chart-test: how a check is made and told.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, work: of chart-test.

failed=()

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

heading() { printf '\n%s\n' "$*"; }

# Runs a command or function, where the first failing line ends it, and shows its output only then.
check() {
    local claim=$1 said code=0
    shift
    # Not in a condition: there bash would ignore what fails inside.
    set +e
    said=$(
        set -e
        "$@" 2>&1
    )
    code=$?
    set -e
    if ((code == 0)); then
        say "√ $claim"
    else
        say "× $claim"
        printf '    %s\n' "${said//$'\n'/$'\n'    }"
        failed+=("$claim")
    fi
}

# What is, against what should be.
expect() {
    local what=$1 wanted=$2 got=$3
    [[ $got == "$wanted" ]] && return
    printf '%s: wanted %s\n%*s  got %s\n' "$what" "$wanted" ${#what} '' "$got"
    return 1
}

# No line of a text is like that. (`! grep` would not end a check that it fails.)
absent() {
    local pattern=$1 text=$2
    if grep -nE -- "$pattern" <<<"$text"; then
        say "there should be no line with $pattern"
        return 1
    fi
}

# Refused, and in words that have this in them.
refused() {
    local words=$1 said
    shift
    if said=$("$@" 2>&1); then
        printf 'not refused: %s\n' "$*"
        return 1
    fi
    grep -qF -- "$words" <<<"$said" || {
        printf 'refused without the words "%s":\n%s\n' "$words" "$said"
        return 1
    }
}

# Asks again until it holds, for at most so many seconds.
within() {
    local seconds=$1 said
    shift
    local end=$((SECONDS + seconds))
    until said=$("$@" 2>&1); do
        if ((SECONDS >= end)); then
            printf 'not within %s s: %s\n%s\n' "$seconds" "$*" "$said"
            return 1
        fi
        sleep 0.3
    done
}

# The tool, if it has been built; what is compared with it is left out otherwise.
find_tool() {
    tool=${CHART_TEST_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/dst-load-controller}
    if [[ -x $tool ]]; then
        # It may be built anew while this goes on.
        cp "$tool" "$work/dst-load-controller"
        tool=$work/dst-load-controller
    elif [[ -n ${CHART_TEST_BIN:-} ]]; then
        die "CHART_TEST_BIN: $tool is no program"
    else
        say "not compared with the tool, which has not been built: $tool"
        tool=
    fi
}

summary() {
    if ((${#failed[@]})); then
        printf '\nfailed: %s\n' "${#failed[@]}"
        printf '  × %s\n' "${failed[@]}"
        exit 1
    fi
    printf '\nall checks passed\n'
}
