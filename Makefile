# Hadal in a few words. Each target installs what it lacks first (scripts/setup), says little, and costs nothing when done.
#   make            build the program: build/hadal
#   make demo       train a small model on drawn data; leaves a report to look at
#   make test       build and run every test
#   make check      format, lint, build and test: what a change should pass before it is proposed
#   make sanitize   the tests of readers and data under ASan and UBSan
#   make fuzz       100,000 mutated files for each reader
#   make bench      speed beside PyTorch (needs a Python with the references; see docs/performance.md)
#   make golden     remake the golden files (the same Python)
#   make recipes    train every recipe and compare with the numbers it names (hours)
.DEFAULT_GOAL := build
SHELL := bash
PRESET ?= default
DIR := $(if $(filter default,$(PRESET)),build,build-$(PRESET))
REFERENCE ?= $(wildcard ../shared/peers/reference)
# Warnings are errors where the compiler is known: in the gate and in `make check`, not on a user's machine.
WERROR ?= $(if $(CI),ON,OFF)
SOURCES = $(shell git ls-files '*.h' '*.cpp')

# $(call compile,TARGET,FOLDERS): builds, with a line before it where there is work to do, and on a terminal how far it is.
compile = @made=$(DIR)/.made-$(1) progress=; \
  if [ ! -e $$made ] || [ -n "$$(find CMakeLists.txt cmake $(2) $(DIR)/build.ninja -newer $$made -print -quit)" ]; then \
    echo "building in $(DIR)/; the first time takes about 7 minutes on two cores, with the tests 13; later ones what has changed"; \
    [ ! -t 1 ] || progress=true; \
  fi; \
  if [ "$$progress" ]; then cmake --build $(DIR) --target $(1); \
  else set -o pipefail; cmake --build $(DIR) --target $(1) -- --quiet | sed '/no work to do/d'; fi && touch $$made

.PHONY: configure build demo test check format-check lint sanitize fuzz bench golden recipes

configure:
	@prefix=$$(scripts/setup) && mkdir -p $(DIR) && \
	if [ ! -e $(DIR)/build.ninja ] || ! grep -qsF "CMAKE_PREFIX_PATH:UNINITIALIZED=$$prefix" $(DIR)/CMakeCache.txt || \
	  ! grep -qs "HADAL_WERROR:.*=$(WERROR)" $(DIR)/CMakeCache.txt; then \
	  compiler=$${CXX:-$$(command -v clang++-19 || true)}; \
	  CXX=$${compiler:-c++} cmake --preset $(PRESET) -DCMAKE_PREFIX_PATH="$$prefix" -DHADAL_WERROR=$(WERROR) > $(DIR)/configure.log 2>&1 \
	    || { tail -n 25 $(DIR)/configure.log; exit 1; }; \
	fi

build: configure
	$(call compile,hadal,hadal cli)

# A demo that was stopped goes on; one that is done is not trained again.
demo: build
	@if [ -e runs/demo/report.html ] && [ -e runs/demo/reached.json ]; then \
	  echo "the demo is trained: look at runs/demo/report.html, or remove runs/demo to train it again"; \
	elif [ -e runs/demo/config.toml ]; then \
	  $(DIR)/hadal train resume=runs/demo; \
	else \
	  $(DIR)/hadal train demo out=runs/demo; \
	fi

test: configure
	$(call compile,all,hadal cli tests bench examples)
	@ctest --test-dir $(DIR) --output-on-failure

# With both compilers; the tests with the usual one.
check:
	@$(MAKE) --no-print-directory WERROR=ON format-check lint test
	@$(MAKE) --no-print-directory WERROR=ON CXX=g++ PRESET=gcc build

format-check: configure
	@clang-format-19 --dry-run -Werror $(SOURCES)

lint: configure
	@scripts/lint $(DIR)

# The readers' and data tests under ASan (leaks too) and UBSan.
sanitize:
	@$(MAKE) --no-print-directory configure PRESET=sanitize
	@cmake --build build-sanitize --target test_core test_io test_data -- --quiet
	@ctest --test-dir build-sanitize --output-on-failure -R '^(core|io|data)$$'

fuzz:
	@scripts/fuzz

bench: configure
	@cmake --build $(DIR) --target hadal_bench hadal_steps hadal_attention hadal_optimizers -- --quiet
	@$(REFERENCE) python bench/steps.py
	@$(REFERENCE) python bench/attention.py
	@$(REFERENCE) python bench/steps.py --peer bench/patchtst.py --mode fp32 patchtst-train
	@$(REFERENCE) python bench/steps.py --peer bench/making.py gan-train unet-train unet-sample
	@$(REFERENCE) python bench/steps.py --peer bench/detectors.py --mode fp32+cl,bf16+cl yolov8n-train yolov8n-infer maskrcnn-train maskrcnn-infer
	@$(REFERENCE) python bench/loader.py
	@$(REFERENCE) python bench/optimizers.py --program $(DIR)/bench/hadal_optimizers

golden:
	@$(REFERENCE) python tests/golden/make.py

recipes: build
	@scripts/recipes $(DIR)/hadal
