# `make test` sets up what the tests need and runs all of them.

.PHONY: test test-crash crash-programs tools bench dev

TOOLS := $(CURDIR)/target/tools

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

# What tests run besides our own programs: grpcurl, for the commands of docs/grpcurl.md.
tools:
	scripts/install-test-tools "$(TOOLS)"

# Figures of docs/PERFORMANCE.md; needs rsync, nginx and wrk for the peers.
bench:
	cargo bench --workspace --locked

dev:
	cargo run --release --locked -- dev
