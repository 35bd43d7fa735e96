# The only gate: .ci/run calls `make test`. Run `make help` for the list.
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
FUZZTIME ?= 30s

# What the tests drive: real telephones, a proxy in front of star97, a database server, an SSH server, a tracer of writes, scanners.
TEST_PACKAGES = baresip-core linphone-cli sip-tester kamailio postgresql openssh-server strace sipvicious

.DEFAULT_GOAL := help
.PHONY: help build run test check deps rounds calls race bench fuzz sim long docs prompts clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

build: ## build bin/star97
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/star97 ./cmd/star97

run: build ## start the service with example mailboxes on 127.0.0.1
	./bin/star97 serve --example

test: deps check rounds calls race ## install what the tests need, then run everything

deps: # Debian packages for the tests; without root they must be there already
	@missing=""; for p in $(TEST_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ] || [ "$$STAR97_PHONES" = optional ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then \
		echo "installing$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
		echo "make test needs the Debian packages$$missing; run: sudo apt-get install$$missing"; exit 1; \
	fi

check: ## formatting, vet, staticcheck
	@bad=$$(gofmt -l cmd internal prompts dialplans); if [ -n "$$bad" ]; then echo "run gofmt -w on:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

race: # with the race detector: all rooms, then the whole service with a spread of its calls
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -vxF "$$($(GO) list ./internal/app ./cmd/star97)")
	$(GO) test -race -timeout 30m ./internal/app

calls: # every call of the service and of the program in real time; the program has the race detector where a test asks for it
	$(GO) test -count=1 -timeout 30m -p 2 ./internal/app ./cmd/star97

rounds: # what the race detector alters: the simulation, whose rounds take ten times as long, and what allocates nothing
	$(GO) test -count=1 -run 'AllocatesNothing|AllocateNothing|HoldsLittle' ./internal/srtp ./internal/media ./internal/call
	$(GO) test -count=1 -run '^TestRounds$$' ./internal/sim

bench: ## measure the hot paths and the program under load, up to 20 minutes: tables, and bin/bench.json (ROWS: some of hot, latency, cpu, large, setup, secured)
	@mkdir -p bin
	STAR97_BENCH=$(CURDIR)/bin/bench.json STAR97_BENCH_ROWS='$(ROWS)' $(GO) test -count=1 -timeout 30m -run '^TestBench$$' -v ./cmd/star97

fuzz: ## every fuzz target, or those with FUZZ in their name, for FUZZTIME (default 30s each), little of it for making inputs smaller
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9]*$(FUZZ)[A-Za-z0-9]*' internal cmd | sed 's/:func / /' | while read -r file target; do \
		echo "$$target in $$(dirname $$file)"; \
		$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$(dirname $$file) || exit 1; \
	done

sim: ## play ROUNDS (10000) rounds of the whole program in simulated time from SEED (today's second) on
	STAR97_SIM_SEED=$(or $(SEED),$(shell date +%s)) STAR97_SIM_ROUNDS=$(or $(ROUNDS),10000) \
		$(GO) test -count=1 -timeout 48h -v -run '^TestSimulation$$' ./internal/sim

long: ## what CI has no time for (some hours): a thousand kills, long tables, thousands of calls, a minute of fuzzing each target, ten for what strangers send
	STAR97_LONG=1 $(GO) test -count=1 -timeout 1h -v -run '^TestEverySequence' ./internal/flow
	STAR97_LONG=1 $(GO) test -count=1 -timeout 2h -v -run 'InBand|NoKey' ./internal/dtmf
	STAR97_LONG=1 $(GO) test -count=1 -timeout 10m -v -run '/(rows|a_fixed)' ./internal/media
	STAR97_LONG=1 $(GO) test -count=1 -timeout 4h -v -run 'FaultRun' ./internal/backend/...
	STAR97_LONG=1 $(GO) test -count=1 -timeout 2h -v -run 'NoVerdictIsWrong|AProbeIsNeverWrong' ./internal/probe ./internal/app
	STAR97_LONG=1 $(GO) test -count=1 -timeout 3h -v -run 'StatesOfAMailboxApart|AFlood|WithThePower' ./internal/app
	STAR97_KILLS=1000 $(GO) test -timeout 4h -v -run 'Kill|Crash' ./cmd/star97 ./internal/backend/sqldb ./internal/ledger
	STAR97_LONG=1 $(GO) test -count=1 -timeout 1h -v -run '^TestScanners|^TestOverload$$' ./cmd/star97
	STAR97_LONG=1 $(GO) test -count=1 -timeout 4h -v -run 'Soak' ./cmd/star97
	STAR97_LONG=1 $(GO) test -count=1 -timeout 1h -v -run '^TestDamaged|^TestStrange|ComeAndGo' ./internal/uas
	$(MAKE) fuzz FUZZTIME=1m
	$(MAKE) fuzz FUZZ='(Front|Gate|Stream|RTP|RTCP|Decode|Redundant|UnpackRED|Tone|Answer|Attribute|ParseInfo|ReadWAV|Capture)' FUZZTIME=10m

docs: ## draw the call flow anew; gather the explanations of all options for star97 init, the tables of the voicemail systems and licences
	$(GO) run ./cmd/star97 flow --format svg > internal/flow/flow.svg
	$(GO) test -count=1 -run '^TestTheTemplateIsMade' ./internal/config -write
	$(GO) test -count=1 -run '^TestThePagesTell' ./internal/backend -write
	$(GO) test -count=1 -run '^TestTheReadmeNamesEveryLicence' ./cmd/star97 -write

prompts: ## speak what changed in prompts/*/manifest.yaml (PICO_DATA: folder of the SVOX Pico language data)
	npm ci --silent --no-audit --no-fund --prefix cmd/star97-prompts
	$(GO) run ./cmd/star97-prompts

clean: ## remove what the targets above built
	rm -rf bin
