//go:build !race

package probe

// tries of each sentence.
const tries = 200
