# `make test` sets up what the tests need and runs all of them.

.PHONY: test tools bench dev

TOOLS := $(CURDIR)/target/tools

test: tools
	cargo build --workspace --bins --locked
	PATH="$(TOOLS):$$PATH" cargo test --workspace --locked

# What tests run besides our own programs: grpcurl, for the commands of docs/grpcurl.md.
tools:
	scripts/install-test-tools "$(TOOLS)"

# Figures of docs/PERFORMANCE.md; needs rsync, nginx and wrk for the peers.
bench:
	cargo bench --workspace --locked

dev:
	cargo run --release --locked -- dev
