# make setup   install what building, running and testing need
# make run     start everything on this machine and print the links
# make test    all that CI checks
SHELL := bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
# One set of flags everywhere: each variant compiles the C++ of the echo canceller again.
TAGS := aec3
FLAGS := -buildvcs=false -tags=$(TAGS)
LDFLAGS := -X gasso/internal/version.release=$(VERSION)
# The race detector leaves the echo canceller and the window out; both have tests without it.
RACE_PACKAGES := ./net/... ./server/... ./audio/... ./app/session/...

.PHONY: all setup build run test lint unit race e2e bench bench-room bench-sound bench-net bench-sfu package clean
all: build

# The stamp holds what was installed; it is made again when the lists change.
SETUP := .cache/setup.stamp
setup: $(SETUP)
$(SETUP): internal/build/setup.sh package.json package-lock.json go.mod
	internal/build/setup.sh
	@mkdir -p $(@D) && touch $@

build: $(SETUP)
	go build $(FLAGS) -ldflags "$(LDFLAGS)" -o bin/gasso .
	go build $(FLAGS) -ldflags "$(LDFLAGS)" -o bin/gasso-server ./server/cmd/gasso-server

run: build
	internal/build/run.sh

test: build lint unit race e2e

lint: $(SETUP)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet $(FLAGS) ./...
	go tool staticcheck -tags=$(TAGS) ./...

unit: $(SETUP)
	go test $(FLAGS) $$(go list $(FLAGS) ./... | grep -v /internal/e2e)

race: build
	go test -buildvcs=false -race $$(go list $(RACE_PACKAGES))
	go test -buildvcs=false -race -run InProcess ./internal/e2e

# End to end on real parts: sound server, ffmpeg, window, browser.
e2e: build
	go test $(FLAGS) -count=1 -timeout 20m -v ./internal/e2e

bench: bench-room bench-sound bench-net bench-sfu

# CPU and memory of performers and server in a room of four.
bench-room: build
	go run $(FLAGS) ./internal/bench/room

# The sound engine; ONLY=jitter,step chooses tables, LONG=1 lengthens what is measured.
bench-sound: build
	go run $(FLAGS) ./internal/bench/sound $(if $(ONLY),-only $(ONLY))

# The connection in worlds of network namespaces; ONLY=blackout,kill chooses scenarios, LONG=1 adds what
# takes long.
bench-net: build
	go run $(FLAGS) ./internal/bench/net $(if $(ONLY),-only $(ONLY))

# Forwarding: CPU of a packet, added delay, memory of a peer.
bench-sfu: build
	go run $(FLAGS) ./internal/bench/sfu

package: build
	internal/build/package.sh

clean:
	rm -rf bin dist .cache
