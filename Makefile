# Two commands for a newcomer: `make demo` and `make test`. Each sets up its own environment from the lock;
# all they need is Python ≥ 3.11, git and make.

PYTHON ?= python3
UV_VERSION := 0.13.9
BUILD := .build
UV := $(BUILD)/uv/bin/uv
BIN := .venv/bin
READY := .venv/.ready
CLIENTS := $(BUILD)/peers/.ready
SERVERS := $(BUILD)/peers/.servers
DEPLOY := $(BUILD)/deploy/.ready
FUZZ_INPUTS ?= 1000000
KILLS ?= 200
TIERS := unit contract integration acceptance

export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV
unexport PYTHONDONTWRITEBYTECODE  # processes that compile everything anew take twice as long to start

.DEFAULT_GOAL := help
.PHONY: help demo test check peers bench soak fuzz docs manifests pictures image release-check sbom format lock clean $(TIERS)

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: $(READY)  ## show the main job against the built-in simulator (DEMO_ARGS="--for 30s --output json")
	@$(BIN)/connect-watcher demo $(DEMO_ARGS)

test: check $(TIERS)  ## everything that must hold: lint, types, architecture, and the four test tiers
	@echo "all tiers passed"

check: $(READY)  ## lint, formatting, types, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports | grep -vE '^$$|KEPT|^[-=]+$$' || { $(BIN)/lint-imports; exit 1; }

acceptance: $(CLIENTS) $(SERVERS)
integration: $(CLIENTS) $(SERVERS) $(DEPLOY)

$(TIERS): $(READY)
	@start=$$(date +%s); \
	$(BIN)/pytest -q -n 2 --dist worksteal tests/$@ || exit 1; \
	echo "tier $@: $$(( $$(date +%s) - start )) s"

peers: $(CLIENTS) $(SERVERS) $(DEPLOY)  ## install what the tests are held against: official clients (Node ≥ 20, npm), servers (Debian)

bench: $(READY)  ## what a poll, a judgement and a delivery cost, as ratios
	@$(BIN)/python -m tests.bench.run

soak: $(READY)  ## two hundred deaths by SIGKILL under a stream of transitions (KILLS=60 for fewer)
	@KILLS=$(KILLS) $(BIN)/pytest -q tests/acceptance/test_kills.py

fuzz: $(READY)  ## a million broken inputs for the parsers of logs (FUZZ_INPUTS=20000 for fewer)
	@$(BIN)/python -m tests.fuzz.run $(FUZZ_INPUTS)

docs: $(READY)  ## make docs/configuration.md of the schema
	@$(BIN)/python -m tests.docs.reference

manifests: $(READY) $(DEPLOY)  ## what is made from the chart: its schema and copies, and the base for Kustomize
	@$(BIN)/python -m tests.peers.helm

image: $(READY) $(DEPLOY)  ## build the image and run it as Kubernetes would (root, buildah, podman; IMAGE_ARGS=--real for the real bases)
	@$(BIN)/python -m tests.release.image $(IMAGE_ARGS)

release-check: $(READY) $(DEPLOY)  ## build, read, install and try the package; licences; SBOM
	@$(BIN)/python -m tests.release.check

sbom: $(READY) $(DEPLOY)  ## dist/connect-watcher-VERSION.cdx.json: what the package needs, as CycloneDX
	@$(BIN)/python -m tests.release.check --sbom dist

pictures: $(READY) $(SERVERS)  ## draw the documentation's pictures anew; needs Chromium
	@$(BIN)/python -m tests.docs.pictures

format: $(READY)  ## format and mend what can be mended
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check --fix -q .

lock: $(UV)  ## resolve the dependencies anew
	@$(UV) lock

clean:  ## remove everything that was built
	rm -rf .venv $(BUILD) dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): $(UV) uv.lock pyproject.toml
	@$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch $@

# The official clients. Without Node ≥ 20, npm or a network the tests that need them say so and skip, unless
# REQUIRE_PEERS=1 makes that a failure.
$(CLIENTS): tests/peers/package.json tests/peers/package-lock.json tests/peers/manifest.mjs
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --no-update-notifier --no-progress \
	    --fetch-retries=1 --fetch-timeout=60000 --loglevel=error >/dev/null && node manifest.mjs . && touch $(@F) \
	|| { echo "no official clients: the tests that need them say so and skip" >&2; test "$$REQUIRE_PEERS" != 1; }

# Alertmanager and Prometheus, unpacked from their Debian packages unless they are installed.
$(SERVERS): tests/peers/debian.py | $(READY)
	@mkdir -p $(@D)
	@$(BIN)/python -m tests.peers.debian $(@D) && touch $@ \
	|| { echo "no servers of Debian: the tests that need them say so and skip" >&2; test "$$REQUIRE_PEERS" != 1; }

# Helm, Kustomize, the schemas of Kubernetes, linters: large, so only where they can be fetched.
$(DEPLOY): $(UV) uv.lock pyproject.toml
	@UV_PROJECT_ENVIRONMENT=$(@D) $(UV) sync --frozen --quiet --only-group deploy --python $(PYTHON) && touch $@ \
	|| { echo "no Helm, Kustomize and linters: the tests that need them say so and skip" >&2; test "$$REQUIRE_PEERS" != 1; }

$(UV):
	@echo "setting up (once)"
	@$(PYTHON) -m venv $(BUILD)/uv
	@$(BUILD)/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
