# Shorthands for daily work; every recipe is one plain command that works without `just` too.

# Lists the recipes.
default:
    @just --list

# Formats, and heeds clippy.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Runs the tests.
test *args:
    cargo test --release {{args}}

# Runs what a change must pass to land.
ci:
    bash .ci/run

# Times the hot paths: decode, fold, ledger, histogram, slice diff, fan-out. Two builds are compared by
# `just bench -- --save-baseline main` with the one, and `just bench -- --baseline main` with the other.
bench *args:
    cargo bench -p dst-load-bench {{args}}

# Serves the embedded cluster until stopped; its kubeconfig is sandbox.kubeconfig.
sandbox *args:
    cargo run --release -- sandbox --kubeconfig sandbox.kubeconfig {{args}}

# Runs the smoke test on the embedded sandbox.
run-quick *args:
    cargo run --release -- run values/scenarios/quick.yaml {{args}}

# Brings up a real Kubernetes on loopback (`--clusters 2`, `--bare`): see hack/lab.
lab-up *args:
    hack/lab/up {{args}}

# Ends it.
lab-down:
    hack/lab/down

# Runs on it what the embedded Kubernetes is held to; fails without one.
lab-test *args:
    DST_LOAD_LAB_KUBECONFIG="${DST_LOAD_LAB_KUBECONFIG:-$PWD/.lab/kubeconfig}" \
        cargo test --release --test conformance -- --ignored --skip oracle:: {{args}}

# Compares what the oracle promises with what a real controller (LINKERD_DESTINATION_BIN) sends: 2,000 sets
# of objects, in a minute or two. ORACLE_SEED and ORACLE_SETS say which, and how many.
oracle-check *args:
    cargo test --release --test conformance oracle:: -- --include-ignored --nocapture {{args}}

# Measures what the tool costs, beside a real controller (LINKERD_DESTINATION_BIN) and beside readers
# that decode nothing or all: target/bench/e2e.json, in some eight minutes. See docs/performance.
bench-e2e *args:
    cargo build --profile dist -p dst-load-controller
    cargo run --profile dist -p dst-load-bench -- e2e {{args}}

# Lets two builds of the tool hold the same streams at the same time, and compares their cost.
bench-compare tool with:
    cargo run --profile dist -p dst-load-bench -- compare --tool {{tool}} --with {{with}}

# Tests the Helm chart on two clusters of a lab of its own: lint, install, upgrade, a measured run, uninstall.
chart-test *args:
    hack/chart-test {{args}}

# Parses every PromQL expression, and asks a real Prometheus that scrapes the tool; tests the alerts.
monitoring-test *args:
    hack/monitoring-test {{args}}

# Opens report.html and comparison.html in a headless Chromium: nothing on the console, numbers as in their JSON.
page-test *args:
    hack/page-test {{args}}

# Lints Dockerfile, workflows and scripts.
lint-ci:
    hack/lint-ci

# Runs the commands of the documents, and follows their links; with the tool that the tests built.
docs-test *args:
    hack/docs-test {{args}}

# Checks what goes into the image, without a container engine.
image-test *args:
    hack/image-test {{args}}
