//go:build race

package probe

// tries are fewer under the race detector, which has nothing to find in a computation
// and makes it several times as long.
const tries = 24
