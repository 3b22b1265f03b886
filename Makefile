# AutoGit: `make demo` shows it working, `make test` proves it. Both prepare the machine themselves.
SHELL := /bin/bash
SWIFT ?= swift
BUILD_FLAGS ?=
SEEDS ?= 10000
KILLS ?= 200
SANITIZER ?= thread
CASES ?= 1000000
SCENARIO ?= 1

.PHONY: all build release check test test-system simulate mutations chaos kubernetes fuzz sanitize demo bench deb bootstrap format clean

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

# The package under real systemd, cgroup v2 and rootless Podman, in a container and a virtual machine.
test-system: bootstrap
	@scripts/test-system

# The shipped control loop on a virtual clock, against faults of all kinds. SEEDS=n
simulate: bootstrap
	@scripts/simulate --seeds $(SEEDS)

# Deliberate bugs that the simulation must catch.
mutations: bootstrap
	@scripts/mutations

# The daemon killed at random moments, with real containers: KILLS=n. With HOSTS=n instead: n jobs on three machines, two of which are cut off;
# with SWARM=n on a swarm of three nodes, one of which loses its power.
chaos: bootstrap
	@scripts/chaos $(if $(SWARM),--swarm $(SWARM),$(if $(HOSTS),--hosts $(HOSTS),--kills $(KILLS)))

# What is sent to Kubernetes, against its schemas and a server of its API from PyPI.
kubernetes: bootstrap
	@scripts/kubernetes

# Broken input of all kinds from a seed: CASES=n in all, a night's worth by default.
fuzz: bootstrap
	@AUTOGIT_FUZZ_CASES=$$(($(CASES) / 6)) scripts/test --filter FuzzTests

# The tests and the daemon under a sanitizer. SANITIZER=thread|address
sanitize: bootstrap
	@scripts/sanitize $(SANITIZER)

# The guide's scenarios on this machine: jobs, architectures, GPUs. SCENARIO=1|2|3
demo: bootstrap
	@scripts/demo --scenario $(SCENARIO)

bench: bootstrap
	@scripts/bench

deb: bootstrap
	@scripts/deb

format:
	$(SWIFT) format -i -r Sources Tests Benchmarks Package.swift

clean:
	rm -rf .build .build-thread .build-address out
