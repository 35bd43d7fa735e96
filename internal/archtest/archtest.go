// Package archtest holds the house rules as tests: storeys, package comments, sizes, banned calls.
package archtest
