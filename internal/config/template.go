package config

import _ "embed" // the template

// Template is a configuration file that says nothing: every option, explained and
// commented out, with its default. The explanations are the doc comments of the
// options' owners: `make docs` writes the file from them, and a test compares.
//
//go:embed template.yaml
var Template []byte
