# AutoGit: `make demo` shows it working, `make test` proves it. Both prepare the machine themselves.
SHELL := /bin/bash
SWIFT ?= swift
BUILD_FLAGS ?=

.PHONY: all build release check test demo bench deb bootstrap format clean

all: build

bootstrap:
	@scripts/bootstrap

build: bootstrap
	$(SWIFT) build $(BUILD_FLAGS)

release: bootstrap
	$(SWIFT) build -c release --product autogitd $(BUILD_FLAGS)

check: bootstrap
	@scripts/check

test: bootstrap
	@scripts/test

demo: bootstrap
	@scripts/demo

bench: bootstrap
	@scripts/bench

deb:
	@echo "make deb: the Debian package is the next issue; there is nothing to build yet" >&2; exit 1

format:
	$(SWIFT) format -i -r Sources Tests Benchmarks Package.swift

clean:
	rm -rf .build out
