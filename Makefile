# Charloom's targets. `make` alone lists them.

SHELL = /bin/sh
.DEFAULT_GOAL = help
.PHONY: help setup setup-dev demo up test lint types unit audit sbom bench bench-full chaos pictures base clean

# From the command line into the recipes' environment, where "$$TEXT" keeps the spaces of a path together.
export TEXT SHAKESPEARE DATA PORT NAME OUT SECONDS SEED

RUN = .venv/bin/python -m

help:
	@echo "make demo                run a service, train on a sample text for up to a minute, generate text"
	@echo "make demo TEXT=book.txt  the same with a text of yours"
	@echo "make up                  run a service on http://127.0.0.1:8000 until Ctrl-C; PORT=8001, DATA=directory"
	@echo "make test                run ruff, mypy and all tests; make lint, types or unit runs one of them"
	@echo "make audit               look for known vulnerabilities of the pinned packages"
	@echo "make sbom                write a software bill of materials for each image; OUT=sbom"
	@echo "make bench               run the quick benchmarks; TEXT=book.txt, NAME=... for one of them"
	@echo "make bench-full          run the long benchmarks; TEXT=book.txt, SHAKESPEARE=tinyshakespeare.txt, MOSES=molsets.whl"
	@echo "make chaos               inject random faults into a service and check it; SECONDS=600, SEED=1"
	@echo "make pictures            take screenshots of every page; OUT=pictures"
	@echo "make base                make the packaged base again: fetch its texts, train it, pack it; SECONDS=3000"
	@echo "make setup               create .venv and install into it (the other targets do so first)"
	@echo "make clean               remove .venv and caches, but no data"

setup:
	@scripts/setup.sh run

setup-dev:
	@scripts/setup.sh dev

demo: setup
	@exec .venv/bin/charloom demo $${TEXT:+--text "$$TEXT"} $${DATA:+--data "$$DATA"} $${PORT:+--port "$$PORT"}

up: setup
	@exec .venv/bin/charloom up $${DATA:+--data "$$DATA"} $${PORT:+--port "$$PORT"}

# mypy takes one processor for half a minute, and pytest's tests wait for much of their time.
test: lint
	@$(MAKE) --no-print-directory --jobs=2 types unit

lint: setup-dev
	@$(RUN) ruff check --quiet
	@$(RUN) ruff format --check --quiet

types: setup-dev
	@$(RUN) mypy

# Some images have Python keep no bytecode: each of the processes would compile all modules again.
unit: setup-dev
	@PYTHONDONTWRITEBYTECODE= $(RUN) pytest -n 5 --dist loadfile --no-loadscope-reorder

audit: setup-dev
	@scripts/audit.sh

sbom: setup-dev
	@scripts/sbom.sh $${OUT:+"$$OUT"}

MEASURE = $(RUN) bench $${TEXT:+--text "$$TEXT"} $${SHAKESPEARE:+--shakespeare "$$SHAKESPEARE"} $${MOSES:+--moses "$$MOSES"}

bench: setup-dev
	@exec $(MEASURE) $${NAME:+"$$NAME"}

bench-full: setup-dev
	@exec $(MEASURE) --long

chaos: setup-dev
	@exec $(RUN) bench.chaos $${SECONDS:+--seconds "$$SECONDS"} $${SEED:+--seed "$$SEED"}

pictures: setup-dev
	@exec $(RUN) scripts.pictures "$${OUT:-pictures}"

base: setup-dev
	@.venv/bin/pip install --quiet pysword==0.2.8
	@exec $(RUN) scripts.base $${SECONDS:+--seconds "$$SECONDS"}

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
