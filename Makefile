# What to type. `make` alone lists the targets; scripts/setup says what is installed, and why, before it does so.

# One profile for everything, so that dependencies are compiled once.
CARGO_FLAGS := --locked --release --workspace
BINARIES := $(or $(CARGO_TARGET_DIR),target)/release

.DEFAULT_GOAL := help
.PHONY: help setup build demo test bench bench-peers instructions chaos fuzz clean

help: ## List the targets
	@awk -F ' *:.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install into .tools/ what this machine lacks to build and test
	@scripts/setup

build: ## Build the binaries coordinator and worker
	@scripts/setup build
	cargo build $(CARGO_FLAGS)

demo: build ## Train on 4 worker processes on the built-in images, and leave a report in run/
	$(BINARIES)/coordinator --workers 4 --spawn --listen 127.0.0.1:0 --out run
	@echo 'The report is in $(CURDIR)/run/report.html'

test: ## Check format, lints and documentation, then run every test
	@scripts/setup
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(CARGO_FLAGS) --no-deps
	@scripts/test $(CARGO_FLAGS)

bench: build ## Measure kernels, whole runs and what a slow worker costs, in some minutes; leaves CSV files in bench/
	@scripts/bench-kernels --csv bench
	@echo
	@scripts/bench --binaries $(BINARIES) --csv bench/runs.csv
	@echo
	@scripts/bench-throttled --binaries $(BINARIES)

bench-peers: build ## Measure NumPy, PyTorch and PyTorch DDP beside ours; installs them, takes ten minutes
	@scripts/bench-peers --binaries $(BINARIES)

instructions: ## Count the instructions of kernels and iterations, which needs valgrind; ACCEPT=yes writes them down
	@scripts/setup build
	@scripts/instructions $(if $(ACCEPT),--accept)

chaos: build ## Disturb runs at random for MINUTES=30 and compare their digests; SEED=n repeats one round
	$(BINARIES)/chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

fuzz: build ## Send what nobody should send, for MINUTES=n, else a million inputs; SEED=n TARGET=name CASE=n repeats one
	$(BINARIES)/fuzz $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET)) $(if $(CASE),--case $(CASE)) \
		$(if $(MINUTES),--minutes $(MINUTES))

clean: ## Remove what was built, installed and trained here
	cargo clean
	rm -rf .tools run bench
