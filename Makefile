# Queqiao. `make help` lists what can be made.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PYTHON ?= python3
# uv from PATH, else one of our own inside the virtual environment.
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_NO_PROGRESS := 1
# Where it is set, each of the many processes that a test starts would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE

# How many tests run at once, at most 8: three for every two cores, for a lane waits more than half of its time. Each has
# a PostgreSQL, a Redis and about a gigabyte of its own.
LANES ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))

# Node.js from PATH where it is new enough, else the one of a wheel, in the virtual environment.
NODE_VERSION := $(shell node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
# npm of either.
NPM := $(BIN)/python -m sandbox.npm
OWN_NODE := $(if $(filter-out 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19,$(NODE_VERSION)),,$(VENV)/.node-installed)

SOURCES := services sandbox bench k8s tests
PROTOS := $(shell find protos/queqiao -name '*.proto' | sort)

CHECKS := check-types check-format check-lint check-imports check-buf check-protos check-monitoring check-configuration \
	check-k8s check-client

# What `make test` runs side by side; then comes what has the machine to itself.
TESTS := test-miniprogram test-lanes

.PHONY: help run observe test $(TESTS) test-alone check $(CHECKS) metrics-doc dashboards configuration-doc images images-test \
	roll release audit-manifests system-packages format hooks audit audit-python audit-node sbom fuzz client client-h5 \
	client-test bench bench-peers bench-soak quantize train-screener readings protos protos-released clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.sandbox-installed $(OWN_NODE) ## Start the whole mesh on this machine and have a real conversation
	@exec $(BIN)/python -m sandbox

test: $(VENV)/.installed miniprogram/node_modules/.package-lock.json ## Run every test, on real parts that it starts itself
	@$(MAKE) --no-print-directory --jobs --keep-going $(TESTS)
	@$(MAKE) --no-print-directory test-alone

# It says what it found when it has ended: two that talk at once are understood by nobody.
test-miniprogram: miniprogram/node_modules/.package-lock.json
	@mkdir -p build
	@$(NPM) --prefix miniprogram test --silent > build/test-miniprogram.log 2>&1; status=$$?; \
	echo; cat build/test-miniprogram.log; exit $$status

test-lanes: $(VENV)/.installed
	@$(BIN)/python -m pytest -n $(LANES) --maxprocesses 8 --dist loadscope --no-loadscope-reorder -m "not alone"

test-alone: $(VENV)/.installed
	@$(BIN)/python -m pytest -m alone

check: $(VENV)/.installed ## Lint, types, import rules, protos and their generated code
	@$(MAKE) --no-print-directory --jobs --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync) $(CHECKS)

# Each by itself, too, in a fresh clone.
$(CHECKS): $(VENV)/.installed

check-types:
	@$(BIN)/mypy $(SOURCES)

check-format:
	@$(BIN)/ruff format --check .

check-lint:
	@$(BIN)/ruff check .

check-imports:
	@$(BIN)/lint-imports --no-cache

check-buf:
	@$(BIN)/buf lint
	@$(BIN)/buf breaking --against protos/released.binpb

check-protos:
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(MAKE) --no-print-directory protos GEN=$$fresh && \
	diff -r -x __pycache__ protos/gen "$$fresh" > /dev/null || \
	{ echo "protos/gen is not what the protos generate: run 'make protos' and commit the result." >&2; exit 1; }

# With each release, and never between two: callers are promised that v1 only grows.
protos-released: $(VENV)/.installed ## Take the protos as those of the last release, with which check compares
	@$(BIN)/buf build --exclude-source-info -o protos/released.binpb

GEN := protos/gen
protos: $(VENV)/.installed ## Generate protos/gen from the protos
	@PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos --python_out=$(GEN) --grpc_python_out=$(GEN) \
		--mypy_out=quiet:$(GEN) --mypy_grpc_out=quiet:$(GEN) $(PROTOS)

check-monitoring:
	@$(BIN)/python -m k8s.monitoring.metrics | diff docs/metrics.md - > /dev/null || \
	{ echo "docs/metrics.md is not what the code exports: run 'make metrics-doc' and commit the result." >&2; exit 1; }
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(BIN)/python -m k8s.monitoring.dashboards $$fresh && \
	diff -r k8s/monitoring/dashboards/generated "$$fresh" > /dev/null || \
	{ echo "The dashboards' JSON is not what the code writes: run 'make dashboards' and commit the result." >&2; exit 1; }
	@$(BIN)/python -m k8s.monitoring.objects | diff k8s/monitoring/objects/rules.yaml - > /dev/null || \
	{ echo "The alerts of Prometheus' operator are not the rules: run 'make dashboards' and commit the result." >&2; exit 1; }

check-configuration:
	@$(BIN)/python -m k8s.configuration | diff docs/configuration.md - > /dev/null || \
	{ echo "docs/configuration.md is not what the code reads: run 'make configuration-doc' and commit the result." >&2; exit 1; }

configuration-doc: $(VENV)/.installed ## Write docs/configuration.md from the settings classes
	@$(BIN)/python -m k8s.configuration > docs/configuration.md

images: $(VENV)/.installed ## Build the image of all services with docker, podman or buildah; IMAGE_ARGS go to it
	@$(BIN)/python -m k8s.images $(IMAGE_ARGS)

images-test: $(VENV)/.installed ## Start the mesh from its image, read-only and without capabilities, and ask it a question
	@$(BIN)/python -m sandbox.containers

roll: $(VENV)/.installed ## Replace every pod of each service under load, as Kubernetes would; ROLL_ARGS="dev --containers"
	@$(BIN)/python -m k8s.rolling $(ROLL_ARGS)

release: sbom client-h5 ## Write all of a release to dist/, the same bytes each time from the same commit
	@$(BIN)/python -m k8s.release

# An environment of its own: checkov wants older libraries than ours.
audit-manifests: $(VENV)/.installed ## Look for insecure settings in the Dockerfile and in every overlay, with checkov
	@mkdir -p build/manifests && for overlay in dev staging prod aws; do \
	$(BIN)/kubectl kustomize k8s/overlays/$$overlay > build/manifests/$$overlay.yaml || exit 1; done
	@$(UV) tool run --quiet --python $(BIN)/python checkov==3.3.30 --config-file k8s/checkov.yaml --file Dockerfile build/manifests/*.yaml

# Every overlay as it would be applied, without a cluster; CRDS=file has operators' definitions (kubectl get crd -o yaml).
check-k8s:
	@$(BIN)/python -m k8s.checks $(CRDS)

metrics-doc: $(VENV)/.installed ## Write docs/metrics.md from the code
	@$(BIN)/python -m k8s.monitoring.metrics > docs/metrics.md

dashboards: $(VENV)/.installed ## Write Grafana's JSON from the dashboards' code, and the alerts' objects from the rules
	@$(BIN)/python -m k8s.monitoring.dashboards
	@$(BIN)/python -m k8s.monitoring.objects > k8s/monitoring/objects/rules.yaml

observe: $(VENV)/.sandbox-installed ## Start Prometheus, and Grafana where it is installed, beside a running mesh
	@exec $(BIN)/python -m sandbox.observe

# Without a font of Chinese the client's pictures would be boxes. The compiler is for the tools of bench/native.
system-packages: ## Install what tests need of the system (Debian and Ubuntu, as root)
	@command -v prometheus > /dev/null && command -v promtool > /dev/null && command -v chromium > /dev/null && \
	command -v cc > /dev/null && { command -v pgbouncer || test -x /usr/sbin/pgbouncer; } > /dev/null || \
	{ apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	prometheus chromium fonts-noto-cjk gcc libc6-dev pgbouncer > /dev/null; }

format: $(VENV)/.installed ## Format the sources
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format --quiet .

hooks: $(VENV)/.installed ## Check what a commit changes before it is made
	@$(BIN)/pre-commit install

audit: $(VENV)/.installed ## Look for known vulnerabilities in what is installed; asks the package indexes
	@$(MAKE) --no-print-directory --keep-going audit-python audit-node

audit-python:
	@$(UV) export --frozen --no-default-groups --no-emit-project --quiet > $(VENV)/deployed.txt
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r $(VENV)/deployed.txt || \
	{ echo "Not clean: raise what is vulnerable in pyproject.toml and run 'uv lock'; what could not be audited needs the package index, try again online." >&2; exit 1; }

# The folders with packages of Node's: the client, and the clients that tests run.
NODE_FOLDERS := miniprogram tests/e2e/node
audit-node:
	@for folder in $(NODE_FOLDERS); do \
		report=$$($(NPM) --prefix $$folder audit --package-lock-only --json 2> /dev/null) && echo "$$folder: no known vulnerabilities found" && continue; \
		bad=1; \
		if grep -q '"auditReportVersion"' <<< "$$report"; then \
			$(NPM) --prefix $$folder audit --package-lock-only 2> /dev/null; \
			echo "$$folder is not clean: raise what is vulnerable in its package.json and run 'npm install' there." >&2; \
		else \
			echo "$$folder could not be audited: npm's index does not answer; try again online." >&2; \
		fi; \
	done; exit $${bad:-0}

sbom: $(VENV)/.installed ## Write what a deployment is made of to build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(UV) export --frozen --no-default-groups --no-emit-project --no-hashes --quiet > $(VENV)/deployed.txt
	@$(BIN)/python -W ignore -m cyclonedx_py requirements $(VENV)/deployed.txt --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json
	@echo "build/sbom.json"

fuzz: $(VENV)/.installed ## Ask the API 10,000 things that nobody should
	@FUZZ_PHASES=coverage,fuzzing FUZZ_EXAMPLES=200 FUZZ_FRAMES=40000 $(BIN)/python -m pytest --timeout 1800 tests/fuzz

client: client-h5 ## Build the client: miniprogram/dist/build/h5 and mp-weixin
	@$(NPM) --prefix miniprogram run --silent build:mp-weixin

client-h5: miniprogram/node_modules/.package-lock.json
	@$(NPM) --prefix miniprogram run --silent build:h5

client-test: check-client test-miniprogram ## Lint and test the client alone

check-client: miniprogram/node_modules/.package-lock.json
	@$(NPM) --prefix miniprogram run --silent lint
	@$(NPM) --prefix miniprogram run --silent type-check

miniprogram/node_modules/.package-lock.json: miniprogram/package-lock.json | $(VENV)/.installed
	@$(NPM) --prefix miniprogram ci --silent --no-audit --no-fund
	@touch $@

bench: $(VENV)/.installed ## Measure the mesh against a simulated provider
	@$(BIN)/python -m bench $(BENCH_ARGS)

bench-peers: $(VENV)/.installed ## Measure nginx, Portkey, LiteLLM and the mesh in one run; BENCH_ARGS=--quick for a look
	@$(BIN)/python -m bench.peers $(BENCH_ARGS)

bench-soak: $(VENV)/.installed ## Measure for half an hour whether memory grows; BENCH_ARGS="--minutes 60"
	@$(BIN)/python -m bench.soak $(BENCH_ARGS)

quantize: $(VENV)/.sandbox-installed ## Turn MODEL=file.gguf into 4 bits for LOCAL_MODEL, and say what it costs
	@$(UV) sync --frozen --no-group dev --group sandbox --group quantize --inexact --quiet
	@$(BIN)/python -m sandbox.quantize $(MODEL)

train-screener: $(VENV)/.installed ## Train the learned layer's weights that ship, from the corpus; the same bytes each time
	@$(BIN)/python -m services.moderation.learned

readings: $(VENV)/.installed ## Write how the words of the shipped lists are read, after one has changed
	@$(BIN)/python -m services.moderation.lists

clean: ## Remove everything that was installed, generated at run time or stored
	@if [ -e $(VENV)/.sandbox-installed ]; then $(BIN)/python -m sandbox.clean; fi
	@rm -rf $(VENV) .run .cache build dist miniprogram/node_modules miniprogram/dist
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

# What `make run` needs; the tools of `make check` stay if they are there.
$(VENV)/.sandbox-installed: pyproject.toml uv.lock | $(VENV)/.uv
	@echo "Installing (once, about a minute) …"
	@$(UV) sync --frozen --no-group dev --group sandbox --inexact --compile-bytecode --quiet
	@touch $@

$(VENV)/.node-installed: pyproject.toml uv.lock | $(VENV)/.sandbox-installed
	@echo "Installing Node.js for the chat window …"
	@$(UV) sync --frozen --no-group dev --group sandbox --group client --inexact --compile-bytecode --quiet
	@touch $@

$(VENV)/.installed: pyproject.toml uv.lock | $(VENV)/.uv
	@echo "Installing, with the developers' tools (once, about a minute) …"
	@$(UV) sync --frozen --all-groups --compile-bytecode --quiet
	@touch $@ $(VENV)/.sandbox-installed

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.12 if yours has another name." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	{ echo "Python's venv module is missing: install it (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@if [ "$(UV)" = "$(BIN)/uv" ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.11,<1'; fi
	@touch $@
