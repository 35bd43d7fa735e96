package webhook

import _ "embed"

//go:embed openapi.yaml
var contract string

// Contract is the description of the service in OpenAPI 3.1, for who writes one.
func Contract() string { return contract }
