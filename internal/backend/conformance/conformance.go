// Package conformance is the suite of cases that every backend passes.
package conformance
