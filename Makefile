.DEFAULT_GOAL := help

.PHONY: help demo build test verify lint bench fuzz mutations
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: ## start everything and send simulated traffic
	go run ./cmd/ledger demo

build: ## build the binary
	go build -o ledger ./cmd/ledger

test: ## run all tests
	go test ./...

verify: ## exactly what CI runs
	bash .ci/run

lint: ## run the linters
	GOFLAGS=-mod=mod go tool -modfile=.tools.mod golangci-lint run ./...

bench: ## measure against the raw limits of this machine
	go test -run '^$$' -bench . ./test/bench ./eventstore/node ./projections/... ./cmd/internal/push

fuzz: ## fuzz every decoder of foreign bytes for 30 s each
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for t in $$(grep -oE '^func Fuzz[A-Za-z_]+' $$f | cut -d' ' -f2); do \
	    echo "$$f $$t"; go test -run '^$$' -fuzz "^$$t$$" -fuzztime 30s ./$$(dirname $$f); done; done

mutations: ## plant bugs and see that the tests of the invariants notice each
	go run ./test/mutations
