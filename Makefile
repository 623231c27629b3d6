# What to do with this tree. `make` lists it.

SHELL     := bash
.SHELLFLAGS := -eu -o pipefail -c
GO        ?= go
PKG       ?= ./...
BENCH     ?= .
COUNT     ?= 1
SEEDS     ?= 20
FUZZTIME  ?= 30s
DEMOFLAGS ?=
BENCHFLAGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./weir
	$(GO) build -trimpath -o weir ./cmd/weir

demo: ## run a node with live data and a live table, until Ctrl-C (DEMOFLAGS="--for 10s")
	@$(GO) run ./cmd/weir demo $(DEMOFLAGS)

test: ## run all tests (PKG=./sql/...)
	$(GO) test $(PKG)

race: ## the same under the race detector, in random order
	$(GO) test -race -shuffle=on $(PKG)

lint: ## gofmt, vet, staticcheck, errcheck, ineffassign, errorlint
	@scripts/lint

check: ## what has to pass before a change is merged
	@.ci/run

golden: ## write the expected files of datadriven tests anew, and show what changed
	$(GO) test $$(grep -rl --include='*_test.go' cockroachdb/datadriven . | xargs -n1 dirname | sort -u) -rewrite
	@git diff --stat

fuzz: ## run each fuzz target for FUZZTIME=30s
	@scripts/fuzz $(FUZZTIME)

sim: ## run clusters in simulated time, SEEDS=20 of them
	$(GO) test ./internal/sim -timeout=2h -seeds=$(SEEDS)

bench: build ## measure a server on this machine's disk (BENCHFLAGS="-run filter -profile DIR")
	@$(GO) run ./internal/bench -weir ./weir $(BENCHFLAGS)

bench-go: ## run Go benchmarks (PKG=./exec/... BENCH=Filter COUNT=10)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

bench-compare: ## compare benchmarks with another commit (REF=main PKG=./exec/... COUNT=10)
	@scripts/bench-compare '$(REF)' '$(PKG)' '$(BENCH)' '$(COUNT)'

conformance: build ## run the foreign suites in WEIR_SHARED, if set, and print figures
	@scripts/conformance

clients: build ## let psql, kcat and drivers of Python, Node and Java talk to ./weir (installs drivers)
	@scripts/clients/run

shape: ## print the sizes of files and functions
	@$(GO) run ./internal/arch/shape .

generate: ## run the generators; they leave no diff
	$(GO) generate ./...

tidy: ## bring go.mod and go.sum up to date
	$(GO) mod tidy

.DEFAULT_GOAL := help
.PHONY: help build demo test race lint check golden fuzz sim bench bench-go bench-compare conformance clients shape generate tidy
