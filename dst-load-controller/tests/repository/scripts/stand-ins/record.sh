# Sourced by the stand-ins: writes down what was called, and fails where the test wants it.
# shellcheck shell=bash
set -euo pipefail

name=$(basename "$0")
printf '%s\0' "$name" "$@" $'\n' >>"$CALLS"

# What was made so far is kept as files in here. Those two are given paths.
[[ $name == openssl || $name == step ]] || cd "$STATE"

# FAIL is a pattern of the calls that are to fail.
# shellcheck disable=SC2053
if [[ -n ${FAIL-} && "$name $*" == $FAIL ]]; then
    printf '%s: told to fail\n' "$name" >&2
    exit 1
fi

# The value of an option of this call, or the default.
option() {
    local wanted=$1 value=$2 arguments=("${@:3}") index
    for index in "${!arguments[@]}"; do
        if [[ ${arguments[index]} == "$wanted" ]]; then
            value=${arguments[index + 1]}
        fi
    done
    printf '%s' "$value"
}

unknown() {
    printf '%s: the stand-in does not know: %s\n' "$name" "$*" >&2
    exit 99
}
