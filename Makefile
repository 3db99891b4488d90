# Stoker's house. "make" lists what there is.

SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 30s
TIMEOUT ?= 40m
ROUNDS ?= 5
GOLANGCI_VERSION := v2.15.0
PROGRAMS := ./services/allinone/cmd/stoker ./services/fetcher/cmd/fetcher ./services/parser/cmd/parser ./services/writer/cmd/writer
export GO FUZZTIME GOLANGCI_VERSION

.DEFAULT_GOAL := help
.PHONY: help build demo test race conformance bench bench-fair bench-growth chaos lint generate verify fuzz tools postgres clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the static binaries stoker, fetcher, parser and writer into out/bin.
	CGO_ENABLED=0 $(GO) build -trimpath -o out/bin/ $(PROGRAMS)

demo: build postgres ## Generate data, import it twice and query it; sets up what is missing.
	@hack/demo.sh

test: postgres ## Run all tests of all modules.
	TMPDIR=$$(hack/tmpdir.sh) $(GO) test -shuffle=on -timeout=$(TIMEOUT) work

race: postgres ## Run all tests with the race detector, one by one; needs a C compiler and an hour.
	TMPDIR=$$(hack/tmpdir.sh) CGO_ENABLED=1 $(GO) test -race -shuffle=on -p=1 -parallel=1 -timeout=2h work

conformance: ## Judge the parser by suites that others wrote and by mutations; prints a table, takes a minute.
	@$(GO) run ./services/parser/cmd/conformance $(CONFORMANCEFLAGS)

bench: build postgres ## Measure the pipeline against the ceiling; figures go to out/bench.json too.
	$(GO) build -o out/bin/nats-server github.com/nats-io/nats-server/v2
	$(GO) run ./services/allinone/cmd/bench $(BENCHFLAGS)

bench-fair: build postgres ## Measure a supplier of 100 lines beside one of LINES (10 million, 30 GB of disk, minutes).
	$(GO) build -o out/bin/nats-server github.com/nats-io/nats-server/v2
	$(GO) run ./services/allinone/cmd/bench -fair $(or $(LINES),10000000) $(BENCHFLAGS)

bench-growth: build postgres ## Measure whether rates fall as tables grow: 10 million resources, 60 GB of disk, minutes.
	$(GO) build -o out/bin/nats-server github.com/nats-io/nats-server/v2
	$(GO) run ./services/allinone/cmd/growth $(BENCHFLAGS)

chaos: build postgres ## Kill, stop and cut off parts during imports, ROUNDS (5) times; SEED=n runs a seed again.
	$(GO) build -o out/bin/nats-server github.com/nats-io/nats-server/v2
	$(GO) run ./services/allinone/cmd/chaos -rounds $(ROUNDS) $(if $(SEED),-seed $(SEED)) $(CHAOSFLAGS)

lint: ## Run golangci-lint on every module; builds it if it is missing, which takes minutes.
	@hack/lint.sh

generate: ## Write all generated files and documents again.
	@hack/modules.sh | while read -r module; do (cd "$$module" && $(GO) generate ./...) || exit 1; done

verify: ## Check formatting, vet, go.mod files, generated files, and builds without the workspace.
	@hack/verify.sh

fuzz: ## Run every fuzz target for FUZZTIME (30s), one after the other.
	@hack/fuzz.sh

tools: ## Build golangci-lint into out/tools.
	GOBIN=$(CURDIR)/out/tools GOWORK=off $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

postgres: ## Install PostgreSQL if there is none; quiet if there is.
	@hack/postgres.sh

clean: ## Remove what was built and the demo's data.
	rm -rf out
