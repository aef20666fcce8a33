# `make run` starts the portal and `make test` proves it; both need nothing but Python 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin

# Tools read the settings, and the settings want a data folder: never the portal's own.
check lock: export BATCHYARD_DATA = build/data
check: export DATABASE_URL =
check: export REDIS_URL =

.PHONY: run quick test test-both test-rest proof check format lock clean

run: .venv/production
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --no-input --verbosity 0
	@$(BIN)/python manage.py welcome
	@exec $(BIN)/python manage.py serve

# What a developer runs before each commit: on SQLite, without what commits, listens or needs a browser.
quick: .venv/development
	$(BIN)/python -m tests quick $(ARGS)

test: .venv/development build/clients/oidc-provider/installed
	$(BIN)/python -m tests gate $(ARGS)

# Every test on SQLite and on PostgreSQL and Redis, and the long ones; `test-rest` leaves out what `make test` has run.
test-both test-rest: .venv/development build/clients/anthropic-legacy/installed build/clients/openai-node/installed build/clients/oidc-provider/installed
	$(BIN)/python -m tests $(if $(filter test-rest,$@),rest,double) $(ARGS)

# Everything there is: the same with other clients and large tables, and chaos for a while. It leaves its figures in tests/proof.md.
proof: .venv/development build/clients/anthropic-legacy/installed build/clients/openai-node/installed build/clients/oidc-provider/installed build/postgresql/installed
	$(BIN)/python -m tests.proof $(ARGS)

check: .venv/development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.audit

format: .venv/development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Both locks name versions and digests, never where to fetch them.
lock: .venv/development
	$(BIN)/uv pip compile pyproject.toml --extra s3 $(LOCK) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra s3 --group dev $(LOCK) -o tests/requirements.lock
LOCK := --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url

clean:
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

# uv takes seconds where pip takes a minute; what it cannot fetch, pip may (it heeds more of a machine's configuration).
# Old releases of client packages, each in an environment of its own; and what there is for Node alone, where there is Node:
# a client, an OpenID Connect provider, and further releases of PostgreSQL.
build/%/installed: tests/%/package-lock.json
	@mkdir -p $(@D)
	@cp $(<D)/package.json $(<D)/package-lock.json $(@D)
	@if command -v node > /dev/null; then npm ci --prefix $(@D) --no-audit --no-fund --silent; fi
	@touch $@

build/clients/%/installed: tests/clients/%/requirements.lock | .venv/development
	@rm -rf build/clients/$*
	@$(PYTHON) -m venv build/clients/$*
	$(call install,$<,build/clients/$*/bin)
	@touch $@

define install
	@$(BIN)/pip install --quiet --disable-pip-version-check uv || true
	@$(BIN)/uv pip install --quiet --system-certs --python $(or $(2),$(BIN))/python --require-hashes -r $(1) \
	  || $(or $(2),$(BIN))/pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
endef
