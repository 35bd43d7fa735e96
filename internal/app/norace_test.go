//go:build !race

package app

import "time"

const (
	callsAtOnce = 96
	alike       = 50 // calls of one sort, where every one must be the same
	patience    = 30 * time.Second
	oneOf       = 1 // scenarios are played
)
