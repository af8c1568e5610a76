# The front door. `make` alone prints what it can do.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BACKEND ?= auto
SUITE ?= core
RUN ?= runs/latest
KIT := .venv/bin/failover-kit

# Variables that a target passes on only when they are set.
given = $(if $(strip $(value $(1))),$(2) $(call quoted,$(1)))
# As one word for the shell, and never carried out by make: a folder may be called anything.
unexport RUN SESSION
quoted = '$(subst ','\'',$(value $(1)))'
# Several words, each as a value of its own; one value where a file has that whole name.
each = $(if $(shell test -e $(call quoted,$(1)) && echo file),$(call given,$(1),$(2)),$(foreach one,$(value $(1)),$(2) '$(subst ','\'',$(one))'))
RUN_OPTIONS = --backend $(BACKEND) $(if $(strip $(SCENARIO)),$(call given,SCENARIO,--scenario),--suite $(SUITE)) \
	$(call each,ENGINE,--engine) $(call given,SEED,--seed) $(call given,JOBS,--jobs) $(call given,OUT,--out) \
	$(call each,DEPLOYMENT,--deployment) $(foreach setting,$(SET),--set '$(setting)') \
	$(call given,REPEAT,--repeat) $(foreach setting,$(VARY),--vary '$(setting)')

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: BACKEND=auto|docker|process|machines  ENGINE=<name>  SUITE=smoke|core|catalogue|all  SCENARIO=<glob>  SEED=<n>  JOBS=<n>"
	@echo "             OUT=<folder>  DEPLOYMENT=<file>  SET='path=value ...'  RUN=<folder>  SESSION=<id>  SAMPLE=<n>"
	@echo "             REPEAT=<n>  VARY='path=value,value ...'  BUG=<report>  GUEST=<part>  SINCE=<day>  CLAIM=<n>"

.PHONY: chaos-test
chaos-test: setup ## Run the scenarios against real Redis topologies and report (the main job)
	@$(KIT) run $(RUN_OPTIONS)

.PHONY: repro
repro: setup ## Bring a bug from an issue tracker to this machine: BUG=redis-12762
	@$(if $(strip $(value BUG)),,echo "repro: name a report: BUG=redis-12762; 'make list' shows which there are" >&2; exit 2)
	@$(KIT) run --bug $(call quoted,BUG) --backend $(BACKEND) $(call each,ENGINE,--engine) $(call given,SEED,--seed) \
		$(call given,JOBS,--jobs) $(call given,REPEAT,--repeat) $(call given,OUT,--out)

.PHONY: test
test: check-all integration ## The project's own tests: lint, format, types, unit, integration on both backends

.PHONY: check
check: .venv/.develop ## Lint, format, types and unit tests: no nodes, two minutes on two cores
	$(checked)

.PHONY: check-all
check-all: export TESTS = all
check-all: .venv/.develop ## The same with every random history, flipped bit and hostile word: a few minutes
	$(checked)

# Without compiled files each test that starts the command would compile the kit again.
unexport PYTHONDONTWRITEBYTECODE

# Types are checked beside the tests: neither waits for the other. One more process than there are processors
# runs tests, as some of them wait for a process that they started.
WORKERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

define checked
.venv/bin/ruff format --check failover_kit harness lab tests
.venv/bin/ruff check failover_kit harness lab tests
@.venv/bin/mypy & types=$$!; \
	.venv/bin/pytest -q -n $(WORKERS) --dist worksteal tests/unit; tests=$$?; \
	wait $$types || exit; exit $$tests
endef

.PHONY: integration
integration: .venv/.develop ## Tests against real nodes, as processes and in containers
	$(in_halves)

# What needs containers beside all the rest: mostly each waits for its nodes. Within each half the tests run one
# after the other, as `clean` removes whatever a killed owner has left in an engine, also what another test looks for.
define in_halves
@said=$$(mktemp); trap 'rm -f $$said' EXIT; \
	.venv/bin/pytest -q -m docker tests/integration >$$said 2>&1 & containers=$$!; \
	trap 'kill -INT $$containers; wait $$containers' INT TERM; \
	.venv/bin/pytest -q -m 'not docker' tests/integration; rest=$$?; \
	wait $$containers; containers=$$?; echo "in containers:"; cat $$said; \
	exit $$((rest ? rest : containers))
endef

.PHONY: setup
setup: .venv/.run ## Create .venv from the pinned dependencies

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "setup: Python 3.11 or newer is needed, found $$($(PYTHON) --version 2>&1): set PYTHON=" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "setup: this Python cannot make virtual environments: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements/run.txt pyproject.toml | .venv/bin/python
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.develop: requirements/develop.txt .venv/.run
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/develop.txt
	@touch $@

# Versions that are pinned already stay, unless UPGRADE=1. Hashes of all files of a version are kept, so that
# one list serves every processor and Python.
PIN = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make requirements' $(if $(UPGRADE),--upgrade)

.PHONY: requirements
requirements: .venv/.develop ## Pin requirements/*.txt anew, after a change of pyproject.toml or requirements/*.in
	@$(PIN) pyproject.toml requirements/run.in --output-file requirements/run.txt >/dev/null
	@$(PIN) pyproject.toml requirements/run.in requirements/develop.in --constraint requirements/run.txt \
		--output-file requirements/develop.txt >/dev/null
	@for guest in $(GUESTS); do $(PIN) --no-annotate guests/$$guest/requirements.in \
		--output-file guests/$$guest/requirements.txt >/dev/null || exit; done

.PHONY: selftest
selftest: setup ## Seeded bugs must be found, and nothing where nothing is wrong. Twenty minutes
	@.venv/bin/python -m lab.selftest $(call given,ENGINE,--engine) $(call given,SEED,--seed) $(call given,OUT,--out)

.PHONY: compose-projects
compose-projects: .venv/.develop ## Compose projects in published shapes, each with its known failure. Fifteen minutes
	COMPOSE_PROJECTS=all .venv/bin/pytest -q tests/integration/test_compose_projects.py

.PHONY: twin
twin: setup ## Judge small sessions by brute force as well: both must agree. A few minutes
	@.venv/bin/python -m lab.twin $(call given,SEED,--seed) $(call given,OUT,--out)

.PHONY: calibrate
calibrate: setup ## Measure outages and latencies of a known length: is the kit's clock right? Ten minutes
	@.venv/bin/python -m lab.calibrate $(call given,OUT,--out)

.PHONY: bench
bench: setup ## What the kit costs: load engine, recording, judging, filling, starting. Twenty minutes
	@.venv/bin/python -m lab.bench $(call given,OUT,--out)

.PHONY: pressure
pressure: setup ## The suite five times while every core is kept busy by something else: nothing may FAIL
	@.venv/bin/python -m lab.pressure --backend $(BACKEND) --suite $(SUITE) \
		$(call given,SCENARIO,--scenario) $(call given,OUT,--out)

.PHONY: sigkill
sigkill: setup ## SIGKILL in the middle of every fault on every backend, then clean: is anything left? Fifteen minutes
	@.venv/bin/python -m lab.sigkill $(call given,OUT,--out) $(if $(filter docker process,$(BACKEND)),--backend $(BACKEND))

.PHONY: weakness
weakness: setup ## Does explore find seeded weaknesses on every topology, and make them small? An hour and a half at most
	@.venv/bin/python -m lab.weakness $(call given,SEED,--seed) $(call given,JOBS,--jobs) $(call given,OUT,--out)

.PHONY: test-machines
test-machines: .venv/.develop ## Several Docker engines on this machine, one swarm: tests of nodes and of many runs on several hosts. Fifteen minutes
	@.venv/bin/python -m lab.machines

.PHONY: engines
engines: setup ## The smoke suite on every Redis and Valkey that can be had here, one table at the end
	@.venv/bin/python -m lab.engines $(call given,SCENARIO,--scenario) $(call given,OUT,--out) \
		$(if $(filter docker process,$(BACKEND)),--backend $(BACKEND))

.PHONY: catalogue
catalogue: setup ## Every scenario on every engine that is here: docs/catalogue-on-engines.md. Forty minutes each; goes on after a stop
	@.venv/bin/python -m lab.catalogue $(call each,ENGINE,--engine) $(call given,JOBS,--jobs) \
		$(if $(strip $(value OUT)),--out $(call quoted,OUT)/catalogue) $(if $(filter docker process,$(BACKEND)),--backend $(BACKEND)) \
		$(if $(filter command environment,$(origin RUN)),--results $(call quoted,RUN))

.PHONY: haproxy
haproxy: setup ## What shapes of HAProxy lose under the same faults, five runs of each, one table. An hour
	@.venv/bin/python -m lab.haproxy $(call given,SCENARIO,--scenario) $(call given,OUT,--out) \
		$(if $(filter docker process,$(BACKEND)),--backend $(BACKEND))

.PHONY: track-record
track-record: setup ## Write README's table of reports anew, from docs/catalogue-on-engines and the results RUN (a folder)
	@.venv/bin/python -m lab.track_record $(call quoted,RUN) --write

.PHONY: wait
wait: setup ## What WAIT on logouts and revocations costs and saves, five runs of each, one table. Fifteen minutes
	@.venv/bin/python -m lab.wait $(call given,REPEAT,--repeat) $(call given,OUT,--out) \
		$(if $(filter docker process,$(BACKEND)),--backend $(BACKEND))

.PHONY: claims
claims: setup ## What articles say about sessions on Redis, measured: docs/claims.md. Forty minutes
	@.venv/bin/python -m lab.claims $(call each,CLAIM,--only) $(call given,ENGINE,--engine) $(call given,REPEAT,--repeat) \
		$(call given,OUT,--out) $(if $(filter docker process,$(BACKEND)),--backend $(BACKEND))

.PHONY: survival
survival: setup ## Every topology under every fault on every engine that is here: docs/survival. An hour; goes on where it was
	@.venv/bin/python -m lab.survival $(call given,JOBS,--jobs) $(call given,OUT,--out) \
		$(if $(filter docker process,$(BACKEND)),--backend $(BACKEND))

.PHONY: directives
directives: .venv/.develop ## Ask the engines here for their directives, and write the kit's table of them anew
	@.venv/bin/python -m lab.directives $(call given,ENGINE,--engine)

.PHONY: mutation
mutation: .venv/.develop ## Change harness/checks in hundreds of places: do the unit tests notice? Twenty minutes
	@.venv/bin/python -m lab.mutation $(call given,SAMPLE,--sample) $(call given,SEED,--seed) \
		$(call given,OUT,--out)

GUESTS := $(patsubst guests/%/requirements.txt,%,$(wildcard guests/*/requirements.txt))

GUESTS_OF_NODE := $(patsubst guests/%/package-lock.json,%,$(if $(shell command -v npm),$(wildcard guests/*/package-lock.json)))

.PHONY: guest-environments
guest-environments: $(GUESTS:%=guests/%/.venv/.done) $(GUESTS_OF_NODE:%=guests/%/node_modules/.done) ## Install what the guests in guests/ need, each in a folder of its own

guests/%/.venv/.done: guests/%/requirements.txt
	$(PYTHON) -m venv guests/$*/.venv
	guests/$*/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

guests/%/node_modules/.done: guests/%/package-lock.json
	cd guests/$* && npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: guests
guests: setup guest-environments ## Each application in guests/ through each fault: what do its users see? Goes on after a stop. Forty minutes
	@.venv/bin/python -m lab.guests --write $(call each,GUEST,--guest) $(call each,SCENARIO,--fault) \
		$(call given,SEED,--seed) $(call given,JOBS,--jobs) $(call given,SINCE,--since) \
		$(if $(strip $(value OUT)),--into $(call quoted,OUT)/guests)

.PHONY: client-conformance
client-conformance: setup ## Each client library and tested version against the table of outcomes, on real nodes; CLIENTS=redis-py-threads=6.4.0 for one
	@commands="$$(.venv/bin/python -m harness.libraries.environments $(call quoted,CLIENTS))" && sh -ec "$$commands"
	@CLIENTS="$$(.venv/bin/python -m harness.libraries.environments --names $(call quoted,CLIENTS))" \
		.venv/bin/pytest -q --junitxml=runs/client-conformance.xml tests/integration/test_sessions_outcome_table.py \
		tests/integration/test_client_libraries.py; status=$$?; \
		.venv/bin/python -m lab.conformance runs/client-conformance.xml --write && exit $$status

.PHONY: docker-engine
docker-engine: ## Install and start a Docker engine on a Debian machine that has none (as root)
	@bash compose/docker-engine.sh

.PHONY: image
image: setup ## Build a Redis node image from Debian packages, without any registry
	@$(KIT) image $(call given,ENGINE,--engine)

.PHONY: kit-image
kit-image: setup ## Build an image of the kit itself, to run shards elsewhere, without any registry. Three minutes
	@$(KIT) image --kit

.PHONY: doctor
doctor: setup ## Say what this machine can do, and what each missing piece would need
	@$(KIT) doctor

.PHONY: list
list: setup ## List the scenarios
	@$(KIT) list $(if $(filter command environment,$(origin SUITE)),--suite $(SUITE))

.PHONY: judge
judge: setup ## Judge a saved run again: make judge RUN=runs/latest
	@$(KIT) judge $(call quoted,RUN)

.PHONY: why
why: setup ## The whole story of one session: make why RUN=runs/latest SESSION=<id>; without it, which are broken
	@$(KIT) why $(call quoted,RUN) $(if $(strip $(value SESSION)),$(call quoted,SESSION)) $(call given,SCENARIO,--scenario)

.PHONY: history
history: setup ## All that one scenario recorded, as JSON lines: make -s history RUN=runs/latest/SCENARIO | jq
	@$(KIT) history $(call quoted,RUN)

.PHONY: clean
clean: setup ## Remove processes and containers of a killed harness (never a result)
	@$(KIT) clean

.PHONY: prune
prune: setup ## Remove old results, keeping the newest ten
	@$(KIT) prune
