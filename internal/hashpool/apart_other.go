//go:build !linux

package hashpool

// giveWay does nothing: other systems have no priority for a single thread.
func giveWay() {}
