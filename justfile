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
    cargo test --workspace {{args}}

# Runs what a change must pass to land.
ci:
    bash .ci/run

# Serves the embedded cluster until stopped; its kubeconfig is sandbox.kubeconfig.
sandbox *args:
    cargo run --release -- sandbox --kubeconfig sandbox.kubeconfig {{args}}

# Runs the smoke test on the embedded sandbox.
run-quick *args:
    cargo run --release -- run values/scenarios/quick.yaml {{args}}
