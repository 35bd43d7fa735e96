//go:build !race

package app

const callsAtOnce = 64
