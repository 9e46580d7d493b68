# The verbs of a checkout; each is a line that a person could type. `./dev` makes .venv/ first.
BIN := .venv/bin
KERNELS := $(basename $(notdir $(wildcard goutube/_native/*.pyi)))
SOURCES := goutube tests bench setup.py
# Some tools start others by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup build debug format check stubs test crash slow sanitize fuzz proto wheel pages bench gate bare clean

setup:      ## everything that a developer needs, in .venv/
	./dev setup test lint proto build fuzz
build:      ## the kernels, in place
	$(BIN)/python setup.py -q build_ext --inplace
debug:      ## the kernels with bounds checks and C assertions
	GOUTUBE_BUILD=debug $(BIN)/python setup.py -q build_ext --inplace --force
format:
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
check:      ## every linter; no server is started
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cython-lint csrc
	$(BIN)/buf lint
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml
stubs:      ## do the stubs say what the compiled modules are?
	$(BIN)/python -m mypy.stubtest $(KERNELS:%=goutube._native.%)
test:
	./dev test
crash:      ## kill -9 under load
	$(BIN)/python -m pytest -m crash
slow:       ## the tests that take minutes
	$(BIN)/python -m pytest -m slow
sanitize:   ## the kernels' tests under AddressSanitizer and UBSan
	.ci/sanitize
fuzz:       ## coverage-guided, for GOUTUBE_FUZZ_SECONDS each; needs clang
	$(BIN)/python -m pytest tests/fuzz -m fuzz
bench:      ## timings, and the plots of them in docs/plots/; wants ./dev setup bench
	$(BIN)/python -m pytest bench --benchmark-enable --benchmark-only --benchmark-json build/bench.json \
	  -p no:randomly
	$(BIN)/python -m bench.plots build/bench.json
gate:       ## instructions of the kernels against what is expected; needs valgrind
	$(BIN)/python -m bench.instructions
pages:      ## print ERRORS, CONFIGURATION and METRICS from the code
	$(BIN)/python -m tests.house.pages
proto:      ## the message classes, from goutube/api/proto
	$(BIN)/python -m tests.house.proto
wheel:      ## source archive and wheel, in dist/, and what is in them
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m tests.house.archives dist
bare:       ## both README commands in an empty Debian (root, minutes)
	.ci/bare-debian
clean:      ## what was built; the environment stays
	rm -rf build dist goutube/_native/*.so
