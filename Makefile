# Targets make their own .venv; only Rust, a C compiler, make and Python >= 3.11 with pip are expected.
# Stamp files in .venv make a second run do nothing that is already done.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PEERS_VENV := .venv-bench
FUZZ ?= 100000
BIN := $(VENV)/bin
PY := $(BIN)/python

# What pytest imports: `optimised`, the extension in .venv, or `checked`, the one with debug assertions that the Rust tests are
# built with, whatever Accelerate could do left to raptors. Continuous integration spares itself the other build on Linux.
EXTENSION ?= optimised
CHECKED := target/checked

# What is run once more with Accelerate's lowering: values, memory and plans, not errors or interchange.
SHIM_TESTS := accelerate elementwise expressions matmul epilogues reductions phases memory promotion views concat options

# What is the same whichever lowering there is, where values are placed and functions at each level, and how our loops store.
WITHOUT_SHIM := placement ulp non_temporal

RUST_SOURCES := $(shell find ir passes src python/src -name '*.rs') \
	Cargo.toml Cargo.lock $(wildcard */Cargo.toml) pyproject.toml

comma := ,
stage = @printf '==> %s\n' '$(1)'

.DEFAULT_GOAL := help
.PHONY: help demo test shim-test check-macos test-aarch64 fuzz exhaustive bench bench-scale bench-codegen lint fmt build \
	rust-lint rust-test python-lint python-test checked clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.built ## develop a photograph with raptors and with NumPy; writes out/
	$(call stage,develop a photograph)
	@$(PY) examples/develop_photo.py

test: rust-lint python-lint rust-test python-test shim-test ## everything: lints, Rust tests, pytest, README examples
	$(call stage,all passed)

shim-test: $(VENV)/.installed ## Rust tests and part of pytest once more, through Accelerate's lowering on the shim
	$(call stage,cargo test$(comma) Accelerate on the shim)
	@RAPTORS_ACCELERATE=auto cargo test --workspace --all-features --tests -- $(WITHOUT_SHIM:%=--skip %::)
	$(call stage,pytest of $(words $(SHIM_TESTS)) files$(comma) Accelerate on the shim)
	@$(MAKE) --no-print-directory checked
	@PYTHONPATH=$(CHECKED) RAPTORS_ACCELERATE=auto $(PY) -m pytest $(SHIM_TESTS:%=tests/python/test_%.py)

check-macos: ## type-check and link for macOS on Linux, with every symbol bound to Accelerate
	$(call stage,check for macOS)
	@.ci/check-macos

test-aarch64: ## run the Rust tests as aarch64 code on Linux, in an emulator
	$(call stage,test for aarch64)
	@.ci/test-aarch64

fuzz: ## 100,000 random graphs, broken texts and vector programs; FUZZ=n for another number
	$(call stage,fuzz with $(FUZZ) graphs)
	@RAPTORS_ACCELERATE=off RAPTORS_FUZZ=$(FUZZ) cargo test --all-features --test raptors fuzz::
	@RAPTORS_ACCELERATE=off RAPTORS_FUZZ=$(FUZZ) cargo test --all-features --lib codegen::tests::random

exhaustive: ## functions of all 2^32 float32 numbers; RAPTORS_FUNCTIONS=exp,log names some
	$(call stage,functions of every float32)
	@RAPTORS_ACCELERATE=off cargo test --release --workspace --all-features --test raptors exhaustive:: -- --ignored --nocapture

bench-scale: $(VENV)/.built ## a * 2.0 against NumPy from 512^2 to 4096^2, with page faults
	$(call stage,time a * 2.0 against NumPy)
	@$(PY) tests/bench/scale.py

bench: $(VENV)/.built $(PEERS_VENV)/.installed ## workloads against peers; ONLY=softmax PEERS=jax,numba THREADS=1 narrow it
	$(call stage,time raptors and its peers)
	@PYTHONPATH=python:tests/bench $(PEERS_VENV)/bin/python -m suite \
		--only '$(ONLY)' --peers '$(PEERS)' --threads $(or $(THREADS),0)

bench-codegen: $(VENV)/.built $(PEERS_VENV)/.installed ## machine code on one thread against the peers
	$(call stage,time compiled loops against their peers)
	@PYTHONPATH=python $(PEERS_VENV)/bin/python tests/bench/codegen.py
	$(call stage,time compiled loops against loops of intrinsics)
	@cargo bench --quiet --bench intrinsics

# Peers are optional: what cannot be installed here is left out of the table.
$(PEERS_VENV)/.installed:
	$(call stage,peers into $(PEERS_VENV))
	@test -x $(PEERS_VENV)/bin/python || $(PYTHON) -m venv $(PEERS_VENV)
	@for peer in numpy matplotlib numexpr numba jax 'mlx[cpu]' torch; do \
		echo "installing $$peer"; \
		$(PEERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $$peer || echo "no $$peer"; done
	@touch $@

lint: rust-lint python-lint ## formatting and lints only

fmt: $(VENV)/.installed ## format Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

build: $(VENV)/.built ## the extension module, optimised, in .venv

clean: ## remove .venv, target and out
	rm -rf $(VENV) $(PEERS_VENV) target out

rust-lint:
	$(call stage,cargo fmt --check)
	@cargo fmt --all --check
	$(call stage,cargo clippy)
	@cargo clippy --workspace --all-targets --all-features -- -D warnings

rust-test:
	$(call stage,cargo test)
	@RAPTORS_ACCELERATE=off cargo test --workspace --all-features

python-lint: $(VENV)/.installed
	$(call stage,ruff)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

ifeq ($(EXTENSION),checked)
# Entries of Accelerate are called on the shim, below; the matrix products of that build are not optimised enough to stop in time.
PYTEST := PYTHONPATH=$(CHECKED) RAPTORS_ACCELERATE=off $(PY) -m pytest \
	--ignore tests/python/test_accelerate.py -k 'not (felt and product)'
python-test: $(VENV)/.installed checked
else
PYTEST := $(PY) -m pytest
python-test: $(VENV)/.built
endif
python-test:
	$(call stage,pytest$(comma) with every pass verified)
	@RAPTORS_VERIFY=1 $(PYTEST)
	$(call stage,pytest of expressions$(comma) machine code against the interpreter)
	@RAPTORS_JIT=verify $(PYTEST) tests/python/test_expressions.py

checked:
	@cargo build --quiet --workspace --all-features --lib --tests
	@mkdir -p $(CHECKED)/raptors
	@cp python/raptors/*.py python/raptors/*.pyi python/raptors/py.typed $(CHECKED)/raptors/
	@cp target/debug/lib_core.$(if $(filter Darwin,$(shell uname -s)),dylib,so) $(CHECKED)/raptors/_core.abi3.so

# Debian's python3 has no ensurepip without python3-venv; then its own pip fills the environment.
$(VENV)/.installed: requirements-dev.txt
	$(call stage,python packages into $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) 2>/dev/null || { \
		rm -rf $(VENV) && $(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(PY) install --quiet --disable-pip-version-check pip; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.txt
	@touch $@

$(VENV)/.built: $(VENV)/.installed $(RUST_SOURCES)
	$(call stage,build the extension in release mode)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release
	@touch $@
