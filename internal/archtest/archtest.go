// Package archtest holds the house rules as tests: storeys, package comments,
// layout, sizes, banned calls, secrets in fields, words that belong elsewhere. Each
// rule parses the files itself, says how to repair what it finds, and has a test
// that proves it can fail. It contains no other code.
package archtest
