# What people run. `make test` installs what it needs and must be green before anything is pushed.

CARGO := $(shell command -v cargo || echo $(HOME)/.cargo/bin/cargo)

# What has dependencies of its own, what looks at them, and the exceptions of deny.toml.
MANIFESTS := Cargo.toml loadtest/Cargo.toml tests/fuzz/Cargo.toml
SUPPLY := target/tools/supply-0.20.2/bin
IGNORED := $(shell sed -n 's/.* id = "\(RUSTSEC-[0-9-]*\)".*/--ignore \1/p' deny.toml)

.PHONY: help run test tools test-tools clients lint supply unit docs guard fuzz bench soak advisories

help:
	@echo 'make run    everything on this machine: service, Entra look-alike, sample configuration'
	@echo 'make test   install what the tests need, then formatting, lints, tests and documentation'
	@echo 'make guard  instructions of the hot functions, each with a limit; part of make test'
	@echo 'make fuzz   looks for inputs that break what must hold, ten seconds a target; part of make test'
	@echo 'make bench  the load test: takes about 20 minutes, writes loadtest/report.md'
	@echo 'make soak   an hour of load while one thing after the other goes wrong, writes loadtest/soak.md'
	@echo 'make advisories  what is known to be wrong with the dependencies; asks github.com'

run: tools
	$(CARGO) run --release --locked -- dev

test: test-tools clients lint supply unit docs guard fuzz

# A compiler for C (the cryptography is written in it), curl for the pasted lines, and Rust, whose
# exact toolchain comes from rust-toolchain.toml; for the tests, Node.js, Python, Redis and some
# gateways too.
tools:
	@sh .ci/tools

test-tools:
	@sh .ci/tools test

# Strict OAuth libraries of others, and the example agent in TypeScript: the tests run both against
# the service.
clients:
	npm ci --no-audit --no-fund --ignore-scripts --prefix tests/clients
	npm ci --no-audit --no-fund --ignore-scripts --prefix examples/agents/typescript
	npm run build --prefix examples/agents/typescript

lint:
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path loadtest/Cargo.toml
	$(CARGO) fmt --check --manifest-path tests/fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --manifest-path loadtest/Cargo.toml -- -D warnings

# Licences and origin of every dependency, and that none comes twice unnoticed: see deny.toml.
supply: test-tools
	for manifest in $(MANIFESTS); do \
		$(SUPPLY)/cargo-deny --locked --manifest-path $$manifest --config deny.toml \
			check -A license-exception-not-encountered bans licenses sources || exit; \
	done

# Not a part of `make test`, whose result must not change by itself: do it before a release, and
# every week. It fails where the databases of RustSec and npm cannot be had.
advisories: test-tools
	for manifest in $(MANIFESTS); do \
		$(SUPPLY)/cargo-deny --locked --manifest-path $$manifest --config deny.toml \
			check advisories || exit; \
		$(SUPPLY)/cargo-audit audit --file $$(dirname $$manifest)/Cargo.lock $(IGNORED) || exit; \
	done
	npm audit --package-lock-only --prefix examples/agents/typescript
	npm audit --package-lock-only --prefix tests/clients

unit:
	$(CARGO) test --locked

docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

# One function takes more instructions than its limit, and this fails: see loadtest/benches/README.md.
guard: test-tools
	GUNGRAUN_RUNNER=$(CURDIR)/target/tools/gungraun-0.20.0/bin/gungraun-runner \
		$(CARGO) bench --locked --manifest-path loadtest/Cargo.toml --bench guard
	$(CARGO) test --locked --profile bench --manifest-path loadtest/Cargo.toml --bins

# See tests/fuzz/README.md; SECONDS=1800 looks for half an hour at each target.
fuzz: test-tools
	PATH="$(dir $(CARGO)):$$PATH" sh tests/fuzz/run $(SECONDS)

bench: test-tools
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --manifest-path loadtest/Cargo.toml

soak: test-tools
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --manifest-path loadtest/Cargo.toml -- soak
