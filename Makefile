# The two commands of the README, and their relatives. Everything else is CMake (see CMakePresets.json).
#   make demo         install what is missing, build, scan a poisoned corpus
#   make check        install what is missing, build, run every test, plain and under ASan + UBSan
#   make              build into build/release
#   make install      PREFIX=/usr/local, DESTDIR=
#   make check-long   check, then fuzz every format and measure the coverage
.POSIX:

PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
PACKAGES = docker/install-packages.sh

all: build

deps:
	@$(PACKAGES) build

configure: deps
	@cmake --preset release -G Ninja -DBKI_TESTS=OFF -DBKI_BENCH=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null

build: configure
	@cmake --build --preset release

# Without the CUDA module, whose kernels take minutes to compile where nvcc is.
demo: configure
	@$(PACKAGES) demo
	@cmake --build --preset release --target bki
	@demo/run.sh build/release/src/cli/bki

check: deps
	@$(PACKAGES) test
	@tests/check.sh

check-long: check
	@$(PACKAGES) fuzz coverage
	@tests/fuzz/run.sh $(FUZZ_SECONDS)
	@tests/coverage.sh 90

install: build
	@DESTDIR=$(DESTDIR) cmake --install build/release

format:
	@$(PACKAGES) format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build

.PHONY: all deps configure build demo check check-long install format clean
