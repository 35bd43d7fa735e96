//go:build race

package app

import "time"

// Each call computes ten times as much here, so there are fewer at a time and fewer
// in all.
const (
	callsAtOnce = 24
	alike       = 10
	patience    = time.Minute
	oneOf       = 5 // scenarios is played
)
