# make demo and make test need nothing but Python 3.11+; with npm there is a compiler, a local node, and judges of CIDs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes),$(name))))
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ON ?= embedded
CASES ?= referral cross_region cohort telemedicine emergency repeat_exam coming_of_age drug_recall
RECORDS ?= 100000

.PHONY: help demo cases nodes load test test-examples test-integration deep test-faults test-many test-network test-install check format snapshot bench report lock clean

help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ -/'

$(VENV)/.ready: requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "medshare needs Python 3.11 or newer; name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	# The lock file is complete: without --no-deps, pip would look for newer versions behind extras, which have no hash here.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m pip check
	@touch $@

node_modules/.ready: package-lock.json package.json
	@if command -v npm >/dev/null; then npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	elif [ "$${MEDSHARE_REQUIRE_NODES:-}" = 1 ]; then echo "npm is required and not there" >&2; exit 1; \
	else echo "npm is not there: tests that need a compiler, anvil or a judge of CIDs will be skipped"; fi

demo: $(VENV)/.ready ## Run the whole path on real FHIR records, on the embedded chain and store
	$(BIN)/medshare demo --home medshare-demo

cases: $(VENV)/.ready ## Play the cases of docs/cases on the embedded chain
	for case in $(CASES); do $(BIN)/python scripts/cases/$$case.py; done

nodes: $(VENV)/.ready node_modules/.ready ## Build geth and Kubo into the user's cache folder (needs Go)
	$(BIN)/python scripts/install_nodes.py

test: $(VENV)/.ready node_modules/.ready ## Run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not install and not examples"

test-examples: $(VENV)/.ready node_modules/.ready ## Publish every official example of FHIR R4 and print what was refused (five minutes)
	MEDSHARE_REQUIRE_NODES=1 $(BIN)/python -m pytest -m examples -s

test-integration: $(VENV)/.ready node_modules/.ready ## Run the integration tests on a chain or store: ON=anvil, clique, kubo, clique+kubo
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m integration --on $(ON)

deep: $(VENV)/.ready ## Run the state machines at length: 2,500 stories each (half an hour on two idle cores)
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m stateful

test-faults: nodes ## Kill commands at each of their steps, and fill the disk to each page (hours; needs Go the first time)
	MEDSHARE_REQUIRE_NODES=1 HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m deep

test-many: nodes ## Publish 10,000 records on real Kubo nodes that restart meanwhile (hours on two cores; needs Go the first time)
	MEDSHARE_REQUIRE_NODES=1 MEDSHARE_MANY_RECORDS=10000 $(BIN)/python -m pytest -rP tests/e2e/test_replication.py \
	  -k test_nodes_restart_while_records_are_published

test-network: nodes ## Run a consortium's network of geth and Kubo, and break it (needs Go the first time)
	MEDSHARE_REQUIRE_NODES=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m network --durations=0

test-install: $(VENV)/.ready ## Install the wheel into an empty environment and run the demo from it
	$(BIN)/python -m pytest -m install

check: $(VENV)/.ready node_modules/.ready ## Check format, lint, types, import rules, compiled contracts, help texts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/compile_contracts.py --check
	$(BIN)/python scripts/write_reference.py --check
	@if [ -d node_modules/hl7.fhir.r4.examples ]; then $(BIN)/python scripts/write_standards.py --check; fi

format: $(VENV)/.ready ## Format and sort
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

snapshot: $(VENV)/.ready node_modules/.ready ## Compile the contracts and write ABIs, layouts, gas, the page about performance and help texts anew
	$(BIN)/python scripts/compile_contracts.py
	$(BIN)/python benchmarks/gas.py --snapshot
	$(BIN)/python benchmarks/run.py --report
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/write_standards.py

bench: $(VENV)/.ready node_modules/.ready ## Measure everything and write docs/performance.md (QUICK=1, FULL=1, ONLY=part,part)
	$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick) $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY))

report: $(VENV)/.ready ## Write docs/performance.md anew from what was measured
	$(BIN)/python benchmarks/run.py --report

lock: ## Pin every dependency by hash (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 \
	  --prerelease if-necessary-or-explicit --no-header --quiet --output-file requirements.lock

load: $(VENV)/.ready ## Publish 100,000 records in batches, killed twice on the way, and measure it (some minutes; RECORDS=2000 for less)
	$(BIN)/python benchmarks/load.py --records $(RECORDS)

clean: ## Remove what was made
	rm -rf $(VENV) node_modules build dist medshare-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
