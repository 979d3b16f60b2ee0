# `make demo` and `make test` need nothing but python3 (3.11 or newer) with venv, make and g++.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.pom-installed

.PHONY: demo test lint typecheck format clean fuzz bench

demo: $(STAMP)
	$(BIN)/pom compile examples/polybench/gemm.py --size mini
	$(BIN)/pom check examples/polybench/gemm.py --size mini
	rm -rf build/demo
	$(BIN)/pom dse examples/pom/gemm.py --target xc7z020 -o build/demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The top-level folders are pom.dialects, pom.passes, …; type checkers see them through links.
typecheck: $(STAMP)
	rm -rf build/typing && mkdir -p build/typing/pom
	for item in pom/*; do ln -s ../../../$$item build/typing/pom/; done
	for folder in dialects passes qor_model dse; do ln -s ../../../$$folder build/typing/pom/; done
	cd build/typing && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p pom

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --programs 200 --schedules 20 --jobs 2 $(FUZZ_ARGS)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "POM needs Python 3.11 or newer; run: make PYTHON=python3.12 …" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[gnn,dse,cluster,baselines,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps hls4ml==1.3.0
	touch $@
