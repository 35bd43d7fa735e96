# The only gate: .ci/run calls it.
.PHONY: build run test check
build:
	go build -o bin/star97 ./cmd/star97
check:
	test -z "$$(gofmt -l cmd internal prompts)"
	go vet ./...
test: check
	go test ./...
