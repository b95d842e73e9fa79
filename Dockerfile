# One image with both programs. `docker build .` builds them here; `--target prebuilt` takes those of `make dist`.
# Without a registry, scripts/make-base-images makes both bases under these names: from Debian's packages, and with the
# Rust of this machine.

FROM debian:bookworm-slim AS base
RUN groupadd --system --gid 10001 pixelfox \
    && useradd --system --uid 10001 --gid pixelfox --home-dir /app --no-create-home --shell /usr/sbin/nologin pixelfox \
    && install -d -o pixelfox -g pixelfox -m 750 /app/data \
    && mkdir -p /etc/ssl/certs
COPY ops/docker/root /
WORKDIR /app
# Where a process is alone in its container, these hold for all of them.
ENV APP_HOST=0.0.0.0 APP_PORT=4000 STORAGE_ROOTS=/app STATE_DIR=/app/data
# For `docker exec … server ctl`, which knows no APP_PORT.
ENV ADMIN_URL=http://127.0.0.1:4000
EXPOSE 4000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["healthy"]
# Root at first, for the directories; the entrypoint gives that up before it starts the program.
ENTRYPOINT ["entrypoint"]
CMD ["server"]

FROM base AS prebuilt
# An engine without BuildKit comes by here on its way to the other targets too: what is missing then (hence the pattern)
# is no error beside what is always there.
COPY ops/docker/root target/dis[t] /

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The dependencies alone first, with empty sources: this layer stays while only our own code changes.
COPY Cargo.toml Cargo.lock ./
COPY server/Cargo.toml server/
COPY node-agent/Cargo.toml node-agent/
COPY admin-web/Cargo.toml admin-web/
COPY ops/docker/empty-sources /usr/local/bin/
RUN empty-sources && cargo build --release --locked --workspace --bins && rm -r Cargo.toml server node-agent admin-web proto build.rs \
    && find target/release -maxdepth 3 \( -name '*pixelfox*' -o -name 'server*' -o -name 'node?agent*' \) -exec rm -rf {} +
COPY . .
RUN cargo build --release --locked --workspace --bins \
    && install -D -t /dist target/release/server target/release/node-agent /etc/ssl/certs/ca-certificates.crt

FROM base AS runtime
COPY --from=build /dist/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /dist/server /dist/node-agent /usr/local/bin/
