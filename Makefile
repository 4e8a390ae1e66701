# Everything a person or a machine does with this project. `make help` lists it.
GO      ?= go
TOOL    := $(GO) tool -modfile=hack/tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# make image
IMAGE     ?= seppen:dev
PLATFORMS ?= linux/$(shell $(GO) env GOARCH)
# The dates in the image: those of the commit, so that the same commit gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

.DEFAULT_GOAL := help
.PHONY: help run test simulate lint bench generate build plugin image cluster cluster-down clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## run a cluster on this machine: 3 shards, 2 copies; Ctrl-C stops it
	./bin/seppen local --shards 3 --copies 2

test: ## everything CI runs: lint, tests with and without -race, fuzzing, the chart, a real Kubernetes end to end
	@hack/test.sh

SEEDS ?= 10000
FROM  ?= 1

simulate: ## run many seeds of the simulation of replication; SEEDS=100000 FROM=1; it prints those that fail
	$(GO) test ./node/replica/simulation -run '^(TestSeeds|TestChanges|TestCalm)$$' -timeout 0 -v -args -seeds $(SEEDS) -from $(FROM)

lint: ## gofmt, go vet and golangci-lint
	@hack/lint.sh

bench: build ## measure nodes against a bare server, as ratios (needs wrk)
	@hack/need.sh wrk wrk
	hack/bench/run.sh

generate: ## write anew what is made from the types: deep copies, the CRD, RBAC, the chart's copies, the reference
	@hack/generate.sh .

build: ## build bin/seppen, a static binary for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/seppen .

plugin: build ## link bin/seppen as the plugin of kubectl: with bin in PATH, kubectl seppen status
	ln -sf seppen bin/kubectl-seppen
	ln -sf seppen bin/kubectl_complete-seppen

image: ## write the container image to dist/seppen.tar without Docker; IMAGE=name:tag PLATFORMS="linux/amd64 linux/arm64"
	@set -e; args=; for p in $(PLATFORMS); do \
	  out=dist/$$p/seppen; args="$$args $$p=$(CURDIR)/$$out"; \
	  echo "build $$out"; \
	  CGO_ENABLED=0 GOOS=$${p%%/*} GOARCH=$${p#*/} $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $$out .; \
	done; \
	$(GO) -C hack/tools run ./image -o '$(CURDIR)/dist/seppen.tar' -name '$(IMAGE)' \
	  -version '$(VERSION)' -created '$(SOURCE_DATE_EPOCH)' $$args; \
	ls -l dist/seppen.tar

cluster: ## start a Kubernetes cluster with the image in it: with kind, or as root without; NODES=2
	@IMAGE='$(IMAGE)' hack/kube/cluster.sh up

cluster-down: ## end what make cluster started
	@hack/kube/cluster.sh down

clean: ## remove bin and dist
	rm -rf bin dist
