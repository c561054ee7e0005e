# `make` prints what there is. Nothing needs to be set up by hand, and nothing leaves this folder
# except packages of the system that the tests need (asked for by name, as root only).
.DEFAULT_GOAL := help
PYTHON_IN := .venv/bin/python
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: ## the virtual environment in .venv, from requirements.lock
	@scripts/setup

setup-test:
	@scripts/setup test

demo: setup ## everything on this machine, with a pretend Google and Microsoft; ONCE=1 plays the story
	@.venv/bin/replylog demo $(if $(ONCE),--once) $(ARGS)

test: setup-test lint ## every check and every test; ends with what was not run and why
	@scripts/test $(ARGS)

lint: setup-test ## ruff, mypy and import-linter
	$(PYTHON_IN) -m ruff check .
	$(PYTHON_IN) -m ruff format --check --quiet .
	$(PYTHON_IN) -m mypy
	$(PYTHON_IN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

format: setup-test ## let ruff write the code as it wants it
	$(PYTHON_IN) -m ruff check --fix --quiet .
	$(PYTHON_IN) -m ruff format .

bench: setup-test ## how fast it is, with figures
	$(PYTHON_IN) -m tests.bench $(ARGS)

faults: setup-test ## more than fifty kinds of faults in mid-run, many times over; nothing may be lost
	$(PYTHON_IN) -m tests.faults $(ARGS)

mutants: setup-test ## change the rules in small ways and ask whether a test sees it; 20 minutes
	$(PYTHON_IN) -m mutmut run --max-children $(or $(PROCESSES),2)
	$(PYTHON_IN) -m mutmut results

docs: setup-test ## write the tables of settings and causes, .env.example and the runbook anew
	$(PYTHON_IN) -m web.runbook
	$(PYTHON_IN) -m infra.settings_table
	$(PYTHON_IN) -m providers.causes_table

lock: setup-test ## write the lock files anew, with the newest versions that pyproject.toml allows
	@scripts/lock

screenshots: setup-test ## pictures of the pages, by Chromium
	$(PYTHON_IN) -m tests.screenshots $(ARGS)

.PHONY: help setup setup-test demo test lint format bench faults mutants docs lock screenshots
