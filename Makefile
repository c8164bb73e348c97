# Hadal in a few words: make (build), make demo, make test, make check, make bench. Each installs what it lacks first.
.DEFAULT_GOAL := build
PRESET ?= default
DIR := $(if $(filter default,$(PRESET)),build,build-$(PRESET))

.PHONY: configure build test sanitize
configure:
	@prefix=$$(scripts/setup) && mkdir -p $(DIR) && \
	if [ ! -e $(DIR)/build.ninja ] || ! grep -qsF "CMAKE_PREFIX_PATH:UNINITIALIZED=$$prefix" $(DIR)/CMakeCache.txt; then \
	  compiler=$${CXX:-$$(command -v clang++-19 || true)}; \
	  CXX=$${compiler:-c++} cmake --preset $(PRESET) -DCMAKE_PREFIX_PATH="$$prefix" > $(DIR)/configure.log 2>&1 \
	    || { tail -n 25 $(DIR)/configure.log; exit 1; }; \
	fi

build: configure
	@cmake --build $(DIR) --target hadal -- --quiet

test: configure
	@cmake --build $(DIR) -- --quiet
	@ctest --test-dir $(DIR) --output-on-failure

# The readers' and data tests under ASan (leaks too) and UBSan.
sanitize:
	@$(MAKE) -s configure PRESET=sanitize
	@cmake --build build-sanitize --target test_core test_io test_data -- --quiet
	@ctest --test-dir build-sanitize --output-on-failure -R '^(core|io|data)$$'
