//go:build !linux

package app

func goFirst() {}
