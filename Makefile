# Development tasks. `make help` lists them. All of them need Go; what else a task needs is said beside it.

GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.11.4
GOVULNCHECK   := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
ACTIONLINT    := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GORELEASER    := go run github.com/goreleaser/goreleaser/v2@v2.13.0
FUZZ_TIME     ?= 10s

.PHONY: help build test race lint fuzz honest mutants vuln bench docs image snapshot ci clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build ./netsplit, one static binary
	CGO_ENABLED=0 go build -trimpath -o netsplit .

test: ## Run all tests; those that need Docker or root are skipped where there is none
	go test ./...

race: ## Run the tests with the race detector, without Docker
	DOCKER_HOST=unix:///nonexistent.sock go test -race -short -timeout 15m ./...

lint: ## Check formatting, vet and lint the code and the workflows
	$(GOLANGCI_LINT) run ./...
	$(ACTIONLINT)

fuzz: ## Run every fuzz target for FUZZ_TIME (default 10s)
	go run ./ci/fuzz -time $(FUZZ_TIME)

honest: ## Run 2000 simulated scenarios with honest nodes; none may fail (takes half an hour)
	go run ./ci/honest -runs 2000

mutants: ## Plant bugs of real chains in the node and see which invariants catch them (takes ten minutes)
	go run ./ci/mutants

vuln: ## Look for known vulnerabilities (needs the network)
	$(GOVULNCHECK) ./...

bench: ## Print the table of docs/benchmarks.md (needs root and Docker, takes minutes)
	go run ./ci/bench

docs: ## Write generated files anew: the schema and the reference of chain files
	go generate ./...

image: ## Build the node image from source (needs Docker)
	docker build -t netsplit/node:local .

snapshot: ## Build the release archives into dist/ without publishing them
	$(GORELEASER) release --snapshot --clean

ci: ## Run all that continuous integration runs (needs root and Docker, takes about half an hour)
	.ci/run

clean: ## Remove what the tasks above made in this directory
	rm -rf netsplit dist
