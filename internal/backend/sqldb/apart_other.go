//go:build !linux

package sqldb

// giveWay does nothing: other systems have no priority for a single thread.
func giveWay() {}
