#!/usr/bin/env bash
# Makes the trust anchor and the issuer that Linkerd's identity controller wants.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<'U'
Usage: hack/gen-certs.sh [DIRECTORY] [--force] [--with step|openssl] [--dry-run]

Makes ca.crt and ca.key (the trust anchor, 10 years) and issuer.crt and issuer.key (1 year, signed by
it) in DIRECTORY: LINKERD_CA_DIR unless given, and /tmp/linkerd-ca where that is not set. Clusters of
one federated test must share them. They are for tests: the keys lie there without a password.

What is there and valid is kept. An issuer that is missing is made from the trust anchor that is there.

  --force      makes both anew; clusters with the old ones must be installed again
  --with TOOL  step (the default where it is installed) or openssl; both make the same
  --dry-run    shows the commands that would change something, and changes nothing

Then: LINKERD_CA_DIR=DIRECTORY helmfile sync
U
}

directory='' force='' tool=''
while (($#)); do
    case $1 in
        --force) force=yes ;;
        --with=*) tool=${1#*=} ;;
        --with) argument "$@" && tool=$value && shift ;;
        --dry-run) dry_run=yes ;;
        -h | --help) usage && exit ;;
        -*) misused "unknown option $1" ;;
        *)
            [[ -z $directory ]] || misused "one directory, not both $directory and $1"
            directory=$1
            ;;
    esac
    shift
done
directory=${directory:-${LINKERD_CA_DIR:-/tmp/linkerd-ca}}
case $tool in
    '' | step | openssl) ;;
    *) misused "--with $tool: step or openssl" ;;
esac

if [[ -z $tool ]]; then
    tool=openssl
    ! command -v step >/dev/null || tool=step
fi
case $tool in
    step) need step "https://smallstep.com/docs/step-cli/installation/" ;;
    openssl) need openssl "from your system's packages; or step, https://smallstep.com/docs/step-cli/installation/" ;;
esac
have_all

# As Linkerd's documentation has them.
anchor_name=root.linkerd.cluster.local
issuer_name=identity.linkerd.cluster.local
anchor_days=3650
issuer_days=365
# `linkerd check` warns from here on.
warn_days=60

# Made beside what is there, so that a failure leaves no half.
new=$directory/.new

with_step() {
    if [[ $1 == anchor ]]; then
        run step certificate create "$anchor_name" "$new/ca.crt" "$new/ca.key" --profile root-ca \
            --kty EC --curve P-256 --not-after "$((anchor_days * 24))h" --no-password --insecure
    else
        run step certificate create "$issuer_name" "$new/issuer.crt" "$new/issuer.key" \
            --profile intermediate-ca --kty EC --curve P-256 --not-after "$((issuer_days * 24))h" \
            --no-password --insecure --ca "$2/ca.crt" --ca-key "$2/ca.key"
    fi
}

# What step's profiles say, in openssl's words, and nothing of what openssl's own configuration says.
write_config() {
    cat >"$new/openssl.cnf" <<'C'
[req]
distinguished_name = name
[name]
[anchor]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[issuer]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
C
}

with_openssl() {
    [[ -n $dry_run ]] || write_config
    if [[ $1 == anchor ]]; then
        run openssl ecparam -name prime256v1 -genkey -noout -out "$new/ca.key"
        run openssl req -new -x509 -config "$new/openssl.cnf" -extensions anchor -sha256 \
            -days "$anchor_days" -subj "/CN=$anchor_name" -key "$new/ca.key" -out "$new/ca.crt"
    else
        run openssl ecparam -name prime256v1 -genkey -noout -out "$new/issuer.key"
        run openssl req -new -config "$new/openssl.cnf" -sha256 -subj "/CN=$issuer_name" \
            -key "$new/issuer.key" -out "$new/issuer.csr"
        run openssl x509 -req -in "$new/issuer.csr" -sha256 -days "$issuer_days" \
            -CA "$2/ca.crt" -CAkey "$2/ca.key" -CAserial "$new/serial" -CAcreateserial \
            -extfile "$new/openssl.cnf" -extensions issuer -out "$new/issuer.crt"
    fi
}

# What of a certificate Linkerd looks at; each prints nothing, and says by its exit code.
expires_within() {
    if [[ $tool == step ]]; then
        step certificate needs-renewal "$1" --expires-in "$(($2 * 24))h" >/dev/null 2>&1
    else
        if openssl x509 -in "$1" -noout -checkend "$(($2 * 86400))" >/dev/null; then return 1; fi
    fi
}

expires() {
    if [[ $tool == step ]]; then
        step certificate inspect "$1" | sed -n 's/^ *Not After *: *//p'
    else
        openssl x509 -in "$1" -noout -enddate | sed 's/^notAfter=//'
    fi
}

signed() {
    if [[ $tool == step ]]; then
        step certificate verify "$1/issuer.crt" --roots "$1/ca.crt" >/dev/null 2>&1
    else
        openssl verify -CAfile "$1/ca.crt" "$1/issuer.crt" >/dev/null 2>&1
    fi
}

# matches CERTIFICATE KEY
matches() {
    local certified own
    if [[ $tool == step ]]; then
        certified=$(step certificate key "$1") && own=$(step crypto key public "$2")
    else
        certified=$(openssl x509 -in "$1" -noout -pubkey) && own=$(openssl pkey -in "$2" -pubout)
    fi && [[ $certified == "$own" ]]
}

# A P-256 key, and a CA: Linkerd takes no other issuer.
fit() {
    local text
    if [[ $tool == step ]]; then
        text=$(step certificate inspect "$1")
    else
        text=$(openssl x509 -in "$1" -noout -text)
    fi && [[ $text == *P-256* && $text == *CA:TRUE* ]]
}

# Says what is wrong with what is in a directory, and fails; or warns that it will not last.
check() {
    local name
    for name in ca issuer; do
        fit "$1/$name.crt" ||
            die "$1/$name.crt is no CA certificate with a P-256 key, as Linkerd wants; $program --force makes new ones"
        ! expires_within "$1/$name.crt" 0 ||
            die "$1/$name.crt has expired ($(expires "$1/$name.crt")); $program --force makes new ones"
    done
    signed "$1" ||
        die "$1/issuer.crt is not signed by $1/ca.crt; $program --force makes both anew"
    matches "$1/issuer.crt" "$1/issuer.key" ||
        die "$1/issuer.key is not the key of $1/issuer.crt; $program --force makes both anew"
    for name in ca issuer; do
        ! expires_within "$1/$name.crt" "$warn_days" ||
            warn "$1/$name.crt expires within $warn_days days, on $(expires "$1/$name.crt"); $program --force makes new ones"
    done
}

here() { [[ -s $directory/$1 ]]; }

if [[ -n $force ]] || ! { here ca.crt || here ca.key || here issuer.crt || here issuer.key; }; then
    make=(anchor issuer)
elif here ca.crt && here issuer.crt && here issuer.key; then
    make=()
elif here ca.crt && here ca.key && ! here issuer.crt && ! here issuer.key; then
    ! expires_within "$directory/ca.crt" "$issuer_days" ||
        die "$directory/ca.crt expires on $(expires "$directory/ca.crt"), before an issuer of $issuer_days days would; $program --force makes both anew"
    make=(issuer)
else
    for name in ca.crt issuer.crt issuer.key; do
        here "$name" || die "$directory has only a part of what is needed: $name is missing; put it back, or make all anew with $program --force"
    done
fi

if ((!${#make[@]})); then
    check "$directory"
    say "Kept what is in $directory: the trust anchor is valid until $(expires "$directory/ca.crt"), the issuer until $(expires "$directory/issuer.crt")."
    exit
fi

umask 077
if [[ -z $dry_run ]]; then
    mkdir -p "$directory" || die "$directory cannot be made; name another directory"
    rm -rf "$new"
    trap 'rm -rf "$new"' EXIT
fi
run mkdir "$new"
anchor=$directory
names=()
for what in "${make[@]}"; do
    "with_$tool" "$what" "$anchor" || die "$tool could not make the $what; what it said is above"
    if [[ $what == anchor ]]; then
        anchor=$new
        names+=("$new/ca.crt" "$new/ca.key")
    else
        names+=("$new/issuer.crt" "$new/issuer.key")
    fi
done
if [[ -z $dry_run ]]; then
    [[ $anchor == "$new" ]] || cp "$directory/ca.crt" "$new/ca.crt"
    check "$new"
fi
run mv -f "${names[@]}" "$directory/"
[[ -n $dry_run ]] || say "Made ${#names[@]} files in $directory. Next: export LINKERD_CA_DIR=$directory"
