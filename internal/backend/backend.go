// Package backend is the literal table from a backend's name to its driver.
package backend
