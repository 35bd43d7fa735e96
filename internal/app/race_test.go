//go:build race

package app

// callsAtOnce is smaller here: each call computes ten times as much.
const callsAtOnce = 32
