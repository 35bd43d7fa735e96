// Package dialplans embeds the dialplan that is used where the configuration
// names none.
package dialplans

import _ "embed"

// Default is default.yaml.
//
//go:embed default.yaml
var Default []byte
