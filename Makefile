# `make run` starts the portal and `make test` proves it; both need nothing but Python 3.11 or newer. `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin

# Tools read the settings, and the settings want a data folder: never the portal's own.
check lock: export BATCHYARD_DATA = build/data
check: export DATABASE_URL =
check: export REDIS_URL =
dev: export DEBUG = yes
openapi: export DJANGO_SETTINGS_MODULE = tests.settings

.PHONY: run dev help quick test test-both test-rest proof coverage check format openapi lock promtool clean

run: .venv/production ## Start the portal: embedded, or on DATABASE_URL and REDIS_URL.
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --no-input --verbosity 0
	@$(BIN)/python manage.py welcome
	@exec $(BIN)/python manage.py serve

dev: .venv/production ## Start the embedded portal with debug pages; it starts anew when a Python file changes.
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py welcome
	@exec $(BIN)/python manage.py serve --reload

help: ## List every target.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quick: .venv/development ## Run the fast tests, on SQLite, before each commit: nothing that commits, listens or needs a browser.
	$(BIN)/python -m tests quick $(ARGS)

test: .venv/development build/clients/oidc-provider/installed ## Run the gate: all on SQLite, and what can differ on PostgreSQL and Redis.
	$(BIN)/python -m tests gate $(ARGS)

OTHER_CLIENTS := build/promtool/looked-for build/clients/anthropic-legacy/installed build/clients/openai-node/installed build/clients/oidc-provider/installed

test-both: .venv/development $(OTHER_CLIENTS) ## Run every test on SQLite and on PostgreSQL and Redis, the long ones included.
	$(BIN)/python -m tests double $(ARGS)

test-rest: .venv/development $(OTHER_CLIENTS) ## Run what `make test-both` runs and `make test` does not.
	$(BIN)/python -m tests rest $(ARGS)

proof: .venv/development $(OTHER_CLIENTS) build/postgresql/installed ## Run everything, and chaos for 20 minutes; figures go to tests/proof.md.
	$(BIN)/python -m tests.proof $(ARGS)

coverage: .venv/development build/clients/oidc-provider/installed ## Measure lines and branches of services and engine under the gate's tests on SQLite.
	$(BIN)/python -m tests.coverage $(ARGS)

check: .venv/development ## Check format, lint, types, imports, migrations, and known faults of dependencies.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.audit

format: .venv/development ## Put the format in order, and what lint can mend.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: .venv/development ## Write the native API's document anew, to acknowledge a change of it.
	$(BIN)/python manage.py spectacular --format openapi --file tests/api/openapi/v1.yaml

# Both locks name versions and digests, never where to fetch them.
lock: .venv/development ## Write both lock files anew, with the newest versions that are allowed.
	$(BIN)/uv pip compile pyproject.toml --extra s3 $(LOCK) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra s3 --group dev $(LOCK) -o tests/requirements.lock
LOCK := --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url

promtool: build/promtool/looked-for ## Fetch promtool, which tests the alert rules, on Debian and its kin.

clean: ## Remove the environment and whatever was built.
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The development lock holds everything that the production lock holds, so a tree that has it needs no second install.
.venv/production: requirements.lock | .venv/bin/pip
	@echo "Installing what Batchyard needs into .venv. It takes a minute, once."
	$(call install,requirements.lock)
	@touch $@

.venv/development: tests/requirements.lock requirements.lock | .venv/bin/pip
	$(call install,tests/requirements.lock)
	@touch .venv/production $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Batchyard needs Python 3.11 or newer; name one: make PYTHON=...")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "No virtual environment could be made. On Debian: apt-get install python3-venv" >&2; exit 1; }

# Old releases of client packages, each in an environment of its own; and what there is for Node alone, where there is Node:
# a client, an OpenID Connect provider, and further releases of PostgreSQL.
build/%/installed: tests/%/package-lock.json
	@mkdir -p $(@D)
	@cp $(<D)/package.json $(<D)/package-lock.json $(@D)
	@if command -v node > /dev/null; then npm ci --prefix $(@D) --no-audit --no-fund --silent; fi
	@touch $@

# promtool comes with Debian's package of Prometheus, which is unpacked and not installed. Without it, the tests that need it are
# left out. Only CI asks for new package lists.
build/promtool/looked-for:
	@mkdir -p $(@D)
	@cd $(@D) && if ! command -v promtool > /dev/null && command -v apt-get > /dev/null; then \
	  { apt-get download -qq prometheus || { [ "$(CI)" = true ] && apt-get update -qq && apt-get download -qq prometheus; }; } \
	  > /dev/null 2>&1 && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components 3 ./usr/bin/promtool; \
	  rm -f prometheus_*.deb; fi || true
	@touch $@

build/clients/%/installed: tests/clients/%/requirements.lock | .venv/development
	@rm -rf build/clients/$*
	@$(PYTHON) -m venv build/clients/$*
	$(call install,$<,build/clients/$*/bin)
	@touch $@

# uv takes seconds where pip takes a minute; what it cannot fetch, pip may (it reads more of a machine's configuration).
define install
	@$(BIN)/pip install --quiet --disable-pip-version-check uv || true
	@$(BIN)/uv pip install --quiet --system-certs --python $(or $(2),$(BIN))/python --require-hashes -r $(1) \
	  || $(or $(2),$(BIN))/pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
endef
