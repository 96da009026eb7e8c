# The image of dst-load-controller, for linux/amd64 and linux/arm64:
#
#   docker build -t dst-load-controller .     for this machine
#   hack/build-image --cluster                with commit and labels, and loaded into a cluster
#   hack/build-image --push --image NAME      both platforms, as CI does it
#
# Bases are pinned by digest, of their multi-platform index. .github/dependabot.yml keeps them fresh; by
# hand: docker buildx imagetools inspect TAG.
#
# What a list of the image's packages (--sbom) shall have: Cargo.lock tells of the crates.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

# Rust: the oldest that Cargo.toml allows, on a Debian older than that of the final image: a binary runs
# with the glibc that it was linked with, and with newer ones. Released binaries are built here too.
FROM --platform=$BUILDPLATFORM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
# rust-toolchain.toml is not copied, but would win over the image's own Rust if ever it were.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /workspace
ARG TARGETPLATFORM
# Both platforms are compiled on the machine's own, under no emulation: a cross compiler and Rust's
# standard library are all that it takes. A layer of their own, before any source.
COPY hack/build-binary hack/
RUN hack/build-binary --platform "$TARGETPLATFORM" --install-tools
COPY . .
ARG TARGETARCH
ARG COMMIT=unknown
# Dependencies stay compiled in the cache between builds, each architecture in its own. cargo tells by time
# whether a file of ours changed, and a checkout's times may be older than the cache: so all are new.
RUN --mount=type=cache,id=dst-load-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=dst-load-target-$TARGETARCH,target=/workspace/target,sharing=locked \
    find . -path ./target -prune -o -type f -exec touch {} + \
    && hack/build-binary --platform "$TARGETPLATFORM" --commit "$COMMIT" --dist dist

# Only the binary and its SHA-256, as they are released: hack/build-image --binaries DIR puts them there.
FROM scratch AS binary
ARG TARGETARCH
COPY --from=build /workspace/dist/ /

# glibc, libgcc, CA certificates and time zones; no shell, and nobody is root. Not a static binary with musl,
# though it would be smaller: its allocator is slow, and its threads wait for each other. Measured on 2 cores,
# with 1, 2 and 4 threads: an allocation of 32 bytes to 2 KiB took 1.6 to 2.5 times as long as with glibc.
# docs/performance has what allocation is of this program's work, and why glibc's allocator is kept.
FROM gcr.io/distroless/cc-debian13:nonroot@sha256:e792ab3d241a468a4fd7519ddbbebe66b49b5f365771716ea688ad40b6c6f1c2
COPY LICENSE /usr/share/doc/dst-load-controller/LICENSE
ARG TARGETARCH
COPY --from=binary /dst-load-controller-linux-$TARGETARCH /usr/local/bin/dst-load-controller
# A number, so that Kubernetes can see for itself that it is not root (runAsNonRoot).
USER 65532:65532
# The root filesystem may be read-only: recordings and the cached floor go here, and nothing elsewhere.
WORKDIR /tmp
ENV XDG_CACHE_HOME=/tmp/.cache
# Metrics and probes, as the chart sets them.
EXPOSE 9990
ENTRYPOINT ["/usr/local/bin/dst-load-controller"]
# Last, as they change with every commit. hack/build-image fills them in, and CREATED from SOURCE_DATE_EPOCH.
ARG COMMIT=unknown
ARG VERSION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://github.com/linkerd/dst-load-controller
LABEL org.opencontainers.image.title="dst-load-controller" \
      org.opencontainers.image.description="Load and correctness tester for Linkerd's destination controller" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian13:nonroot" \
      org.opencontainers.image.base.digest="sha256:e792ab3d241a468a4fd7519ddbbebe66b49b5f365771716ea688ad40b6c6f1c2"
