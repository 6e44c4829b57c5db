# Each target is a line that a person could type. Everything happens in .venv, .provision and ~/.cache/provision.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
BIN := .venv/bin
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13) python3)

.PHONY: demo demo-down lab-machine test leak-test bench chaos lint clean

demo: lab-machine .venv/installed
	xargs -a provision/lab/debian-packages.txt sh tools/debian-install
	$(BIN)/fab lab.up --hosts 2
	$(BIN)/fab provision
	@echo 'The two hosts stay up. Type: export PATH="$$PWD/.venv/bin:$$PATH"; fab hosts.shell el1'
	@echo 'Remove them with: make demo-down'

lab-machine:
	@sh tools/lab-machine

demo-down:
	if [ -x $(BIN)/fab ]; then $(BIN)/fab lab.down; fi

test: lab-machine .venv/installed
	xargs -a provision/lab/debian-packages.txt sh tools/debian-install
	xargs -a tests/debian-packages.txt sh tools/debian-install
	$(BIN)/pytest -n 4 tests/unit
	$(BIN)/pytest tests/lab
	$(BIN)/pytest tests/leak

# No secret comes to light: docs/security.md.
leak-test: lab-machine .venv/installed
	xargs -a provision/lab/debian-packages.txt sh tools/debian-install
	$(BIN)/pytest -s tests/leak

# How many hosts, how many containers run on each, and the lab's subnet.
N ?= 10
CONTAINERS ?= 0
SUBNET ?= 99
bench: .venv/installed
	xargs -a provision/lab/debian-packages.txt sh tools/debian-install
	$(BIN)/python -m bench --hosts $(N) --containers $(CONTAINERS) --subnet $(SUBNET)

# How many faults, drawn from which seed.
SEED ?= 1
# provision, harden, or lived-in: what is broken. With el7 the package manager is yum, and Python 2.7 runs the host code.
WORK ?= provision
PROFILE ?= el10
chaos: lab-machine .venv/installed
	xargs -a provision/lab/debian-packages.txt sh tools/debian-install
	$(BIN)/python -m tests.lab.faults --runs $(N) --seed $(SEED) --work $(WORK) --profile $(PROFILE)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/vermin --no-tips -t=2.7 -t=3.6- provision/host
	cd playbooks && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --offline --profile production

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv >/dev/null 2>&1 || { sh tools/debian-install python3-venv && $(PYTHON) -m venv --clear .venv; }
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

clean: demo-down
	rm -rf .venv .provision build dist
