# From a bare machine to running: every target installs what it needs first, and does nothing when that is up to date.
#
#   make demo       the main job on real data             DEMO_ARGS="--data generated"
#   make test       every test                            PYTEST_ARGS="--require=neo4j -k ingest"
#   make test-clients   the TypeScript client with node; npm fetches what it needs
#   make check      format, lint, types, architecture, fast tests
#   make lint       the same without the tests
#   make bench      the benchmarks, results under docs/benchmarks/
#   make bench-cpu  attention, encoder, training and answers on this machine, into docs/benchmarks/speed.md
#   make bench-gpu  the first three on a GPU
#   make serve      the API on the newest bundle          SERVE_ARGS="--port 9000"
#   make neo4j      a Neo4j 5.26 server to try things on (needs Java 17 or 21 and Maven)
#   make install    everything into .venv, where whycart then is   PYTHON=python3.12
#   make constraints  pin the newest versions anew
#   make openapi    freeze the OpenAPI document in docs/openapi.json; refused where that would break clients. Writes the
#                   types of the clients anew
#   make clean      remove .venv and what tools left behind; .whycart, your data, stays

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$name; exit; }; \
	done; echo python3)
PARALLEL := OMP_NUM_THREADS=1 # several tests at a time, each on one core
FAST := $(wildcard tests/unit tests/contract tests/property tests/docs tests/package)
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: install demo test test-clients lint check format bench bench-cpu bench-gpu serve neo4j clean constraints openapi
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP): constraints.txt pyproject.toml .ci/install.py
	@$(PYTHON) .ci/install.py
	@touch $@

demo: $(STAMP)
	@$(BIN)/whycart demo $(DEMO_ARGS)

serve: $(STAMP)
	@$(BIN)/whycart serve $(SERVE_ARGS)

test: $(STAMP)
	$(PARALLEL) $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

TYPESCRIPT := clients/typescript

test-clients: $(STAMP)
	npm --prefix $(TYPESCRIPT) install --no-audit --no-fund --no-package-lock
	$(BIN)/python -m pytest tests/clients --require=node $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

check: lint
	$(PARALLEL) $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile -m "not slow" $(FAST) $(PYTEST_ARGS)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m bench $(BENCH_ARGS)

SPEED := docs/benchmarks/speed
HOME_OF_DEMO := .whycart/demo-journey

bench-cpu: $(STAMP)
	$(BIN)/python -m bench.attention --device cpu --home $(HOME_OF_DEMO) --json $(SPEED)/attention-cpu.json
	$(BIN)/python -m bench.encoder --device cpu --json $(SPEED)/encoder-cpu.json
	$(BIN)/python -m bench.answer --home $(HOME_OF_DEMO) --json $(SPEED)/answer.json
	$(BIN)/python -m bench.training --device cpu --kernels --json $(SPEED)/training-cpu.json
	$(BIN)/python -m bench --only speed

bench-gpu: $(STAMP)
	$(BIN)/python -m bench.attention --device cuda --sizes medium,large,book --json $(SPEED)/attention-gpu.json
	$(BIN)/python -m bench.encoder --device cuda --texts 20000 --json $(SPEED)/encoder-gpu.json
	$(BIN)/python -m bench.training --device cuda --epochs 6 --json $(SPEED)/training-gpu.json
	$(BIN)/python -m bench --only speed

neo4j: $(STAMP)
	@$(BIN)/python -m tests.support.neo4j_server

openapi: $(STAMP)
	$(BIN)/python -m bench.openapi
	$(BIN)/python -m bench.client_types
	@if [ -d $(TYPESCRIPT)/node_modules ]; then npm --prefix $(TYPESCRIPT) run generate; \
	else echo "the TypeScript client stays as it is; 'make test-clients' installs what writes it, then run this again"; fi

constraints: $(STAMP)
	$(COMPILE) --extra bench --extra demo --extra dev --extra tracing --extra tracking --upgrade --output-file constraints.txt --quiet
	$(COMPILE) --extra gpu --extra bench --extra demo --extra dev --extra tracing --extra tracking --constraint constraints.txt --no-emit-package faiss-cpu --output-file constraints-gpu.txt --quiet

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
