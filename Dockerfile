# The image of tessera: one program on Debian's libc, no shell, nobody's root. See docs/container.md.
#
# Bases are named by exact tag. Whoever builds for production adds the digests that his registry shows,
# without a change here: --build-arg BUILDER=docker.io/library/rust:1.95.0-bookworm@sha256:…
ARG BUILDER=docker.io/library/rust:1.95.0-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
# What is built does not tell where it was built.
ENV CARGO_INCREMENTAL=0 \
    RUSTFLAGS="--remap-path-prefix=/src=tessera --remap-path-prefix=/usr/local/cargo/registry/src=crates"
# Writes the list of dependencies into the program, for scanners (cargo audit, trivy, grype, syft).
RUN cargo install cargo-auditable --version 0.7.7 --locked --root /opt/auditable
ENV PATH=/opt/auditable/bin:$PATH
WORKDIR /src
# The dependencies alone, so that this layer stands until the lock file changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo auditable build --release --locked --bin tessera \
    && rm -r src
COPY src src
# Cargo goes by the time of a file, and these may be older than what stood in their place.
RUN touch src/main.rs src/lib.rs \
    && cargo auditable build --release --locked --bin tessera

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tessera" \
      org.opencontainers.image.description="Token introspection (RFC 7662) and exchange (RFC 8693) for Microsoft Entra ID" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chmod=0555 /src/target/release/tessera /usr/local/bin/tessera
ENV TESSERA_CONFIG=/etc/tessera/tessera.yaml
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
# Public, admin. The listeners of gateways are where the configuration says.
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/tessera", "probe"]
ENTRYPOINT ["/usr/local/bin/tessera"]
CMD ["serve"]
