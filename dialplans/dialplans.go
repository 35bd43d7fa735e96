// Package dialplans embeds the dialplan that is used where the configuration names
// none, and the layouts that every dialplan may name.
package dialplans

import "embed"

// Default is default.yaml.
//
//go:embed default.yaml
var Default []byte

// Layouts holds layouts/NAME.yaml.
//
//go:embed layouts/*.yaml
var Layouts embed.FS
