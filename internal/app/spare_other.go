//go:build !linux

package app

// forgetProgram does nothing: other systems do not tell what is mapped where.
func forgetProgram() {}
