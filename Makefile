# `make test` sets up what the tests need and runs all of them.

.PHONY: test test-crash test-compose test-image crash-programs tools bench dev dist prepare-env-dev start docker-down logs

TOOLS := $(CURDIR)/target/tools
# Both the command of its own and the plug-in will do.
COMPOSE := $(shell command -v docker-compose || echo docker compose)

test: tools crash-programs
	cargo build --workspace --bins --locked
	PATH="$(TOOLS):$$PATH" cargo test --workspace --locked

# Every crash point in every role, the slow cases of bad lines and disks: minutes.
test-crash: crash-programs
	cargo build --workspace --bins --locked
	cargo test -p pixelfox-server --test it --locked crash:: -- --ignored

# The programs with crash points, beside the ordinary ones. Built before those, which then have their names again.
crash-programs:
	cargo build -p pixelfox-server -p pixelfox-node --bins --locked \
		--features pixelfox-server/crash-points,pixelfox-node/crash-points
	mkdir -p target/crash
	cp --remove-destination target/debug/server target/debug/node-agent target/crash/

# What tests run besides our own programs: grpcurl, promtool, Caddy, axe; PostgreSQL, PgBouncer and a browser.
tools:
	scripts/install-test-tools "$(TOOLS)"

# Figures of docs/PERFORMANCE.md; needs rsync, nginx and wrk for the peers.
bench:
	cargo bench --workspace --locked

dev:
	cargo run --release --locked -- dev

# --- The cluster in containers ---

# .env is yours: it is made once and never overwritten.
prepare-env-dev:
	@test -e .env || { cp .env.dev .env && echo "made .env from .env.dev"; }

start: prepare-env-dev
	$(COMPOSE) up -d --build
	scripts/wait-healthy $(COMPOSE)

docker-down:
	$(COMPOSE) down

logs:
	$(COMPOSE) logs -f --tail 200

# The programs for the image's target `prebuilt`; with DIST=debug those that `make test` has built already.
DIST ?= release
dist:
	cargo build $(if $(filter release,$(DIST)),--release) --workspace --bins --locked
	rm -rf target/dist
	install -D -t target/dist/usr/local/bin target/$(DIST)/server target/$(DIST)/node-agent
	install -D -m 644 -t target/dist/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt

# The how-to from its first line to its last, in containers of this tree's programs.
test-compose: dist tools
	DIST=$(DIST) PATH="$(TOOLS):$$PATH" scripts/with-engine scripts/test-compose

# The whole image, built in a fresh copy of what is committed: what it holds, what it weighs, what it may do. Minutes.
test-image:
	scripts/with-engine scripts/test-image
