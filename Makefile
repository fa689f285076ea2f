.DEFAULT_GOAL := help
.PHONY: help setup up test down lint format bench clean
PYTHON ?= python3
BIN := .venv/bin

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

setup: ## Get everything that is needed; at once where nothing has changed
	@$(PYTHON) tools/setup.py

up: setup ## Start the local cloud, deploy stack dev on it, and call its endpoint
	@$(BIN)/pilotlight up

test: lint ## Check and test everything
	@$(BIN)/python -m pytest -n 3 --dist loadgroup

down: ## Destroy stack dev and stop the local cloud
	@if [ -x $(BIN)/pilotlight ]; then $(BIN)/pilotlight down; else echo "nothing is set up here, so nothing runs"; fi

lint: setup ## Check style, types and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@MYPYPATH=tools $(BIN)/mypy --strict tools/setup.py tools/bootstrap
	@$(BIN)/lint-imports

format: setup ## Format, and fix what can be fixed safely
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

bench: setup ## Measure against the peers, one benchmark after the other
	@$(BIN)/python -m benchmarks

clean: down ## Remove what set-up and runs have made here; the shared cache stays
	rm -rf .venv .pilotlight .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
