# `make` or `make help` lists the targets. demo, notebook, test and bench install what they need.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
export VENV
export MAKE_GOAL = $@
CODE := sigtrace tests bench scripts notebooks

.DEFAULT_GOAL := help
.PHONY: help demo notebook test matrix distros fuzz lint format bench soak programs docs man packages site pictures build clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Set up, then run the demo on the live kernel
	@scripts/setup.sh demo
	@scripts/as-root.sh $(BIN)/sigtrace demo

notebook: ## Set up, then start JupyterLab on notebooks/; ARGS="--port 9000"
	@scripts/setup.sh notebook
	@scripts/as-root.sh scripts/notebook.sh $(BIN) $(ARGS)

test: ## Set up, then run the whole suite; ARGS="tests/unit" for a part
	@scripts/setup.sh test
	@scripts/as-root.sh $(BIN)/python -m pytest $(ARGS)

matrix: ## Run on other kernels, in QEMU; KERNELS="6.1 newest" ARCH=amd64
	@scripts/setup.sh matrix
	@scripts/as-root.sh env DO="$(DO)" KERNELS="$(KERNELS)" ARCH="$(ARCH)" JOBS="$(JOBS)" QUICK="$(QUICK)" FULL="$(FULL)" \
	  SIGTRACE_MATRIX_CACHE="$(SIGTRACE_MATRIX_CACHE)" $(BIN)/python -m tests.guests.run

distros: ## Install the wheel by pip alone in Debian's releases; ARGS="sid"
	@ARCH=none scripts/setup.sh matrix # mmdebstrap, and no emulator
	@scripts/as-root.sh env SIGTRACE_MATRIX_CACHE="$(SIGTRACE_MATRIX_CACHE)" $(BIN)/python -m tests.distributions.run $(ARGS)

fuzz: ## A million harmful inputs for each reader; ARGS="--runs 9999"
	@scripts/setup.sh test
	@$(BIN)/python -m pip install --quiet atheris || echo "no atheris for this Python: inputs are changed at random"
	$(BIN)/python -m tests.fuzz.run $(ARGS)

lint: ## ruff check, ruff format --check, mypy --strict, import-linter
	@scripts/setup.sh test
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: ## Format code and notebooks, and fix what ruff can fix
	@scripts/setup.sh test
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)
	$(BIN)/jupyter nbconvert --log-level ERROR --clear-output --inplace notebooks/*.ipynb

bench: ## Compare with bpftrace, sigsnoop, perf; QUICK=1: under 2 min
	@scripts/setup.sh bench
	@scripts/as-root.sh $(BIN)/python -m bench.run $(if $(QUICK),--quick)

soak: ## 30 min of mixed load, then signals at any time; SOAK_MINUTES=5
	@scripts/setup.sh test
	@scripts/as-root.sh env SOAK_MINUTES=$(or $(SOAK_MINUTES),30) $(BIN)/python -m pytest -s tests/kernel/test_soak.py
	@scripts/as-root.sh env SIGTRACE_SHOTS=$(or $(SHOTS),100) $(BIN)/python -m pytest -s tests/kernel/test_killed.py
	@scripts/as-root.sh env SIGTRACE_SHOTS=$(or $(SHOTS),200) $(BIN)/python -m pytest tests/cli/test_moments.py

programs: ## Build the BPF programs into the package, with bcc
	@scripts/setup.sh test
	$(BIN)/python scripts/build_programs.py

docs: ## Update the commands' help and the tables in docs/
	@scripts/setup.sh test
	$(BIN)/python scripts/cli_reference.py > docs/commands.md
	$(BIN)/python scripts/column_tables.py
	$(BIN)/python scripts/completion_table.py
	$(BIN)/python -m tests.programs.page
	$(BIN)/python -m tests.guests.page

man: ## Write the manual pages into build/man/man1: man -M build/man
	@scripts/setup.sh test
	$(BIN)/python scripts/man_pages.py build/man/man1

packages: ## A deb of the agent, in dist/; KIND=rpm
	@scripts/setup.sh test
	scripts/build_packages.sh $(or $(KIND),deb)

site: ## Build docs/ as a site with search; PORT=8000 serves it
	@scripts/setup.sh test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site is ready for any web server"
	@[ -z "$(PORT)" ] || $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site $(PORT)

pictures: ## Make docs/images anew, of real runs; ARGS="top.svg"
	@scripts/setup.sh test
	@scripts/as-root.sh env PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m scripts.pictures $(ARGS)

build: ## Build the wheel and the sdist into dist/
	@scripts/setup.sh test
	$(BIN)/python -m build --outdir dist .

clean: ## Remove the virtual environment, caches and build products
	rm -rf $(VENV) .cache build dist .pytest_cache .mypy_cache .ruff_cache bench/storm bench/results
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
