package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// validated is what is wrong with a contract as OpenAPI has it, examples and defaults
// that break their schemas included; nil: nothing.
func validated(t *testing.T, text string) error {
	t.Helper()
	l := openapi3.NewLoader()
	l.IsExternalRefsAllowed = false
	d, err := l.LoadFromData([]byte(text))
	if err != nil {
		return err
	}
	if !d.IsOpenAPI31OrLater() {
		return errors.New("this is no OpenAPI 3.1")
	}
	return d.Validate(t.Context(), openapi3.EnableExamplesValidation())
}

// Whoever makes code or tests of the contract needs a document that their tools take.
func TestTheContractIsOpenAPI(t *testing.T) {
	t.Parallel()
	require.NoError(t, validated(t, Contract()))
	for name, damage := range map[string]struct{ old, new string }{
		"an operation without answers":    {"      responses:\n", "      answers:\n"},
		"a field that is none":            {"info:\n", "info:\n  titel: x\n"},
		"a type that is none":             {"type: string", "type: word"},
		"a reference to nothing":          {"#/components/schemas/FindAnswer", "#/components/schemas/NoAnswer"},
		"an example that its schema bars": {"result: ok", "result: perhaps"},
		"a description that is a list":    {"info:\n", "info:\n  summary: [x]\n"},
		"a parameter from nowhere":        {"in: header", "in: envelope"},
		"another version":                 {"openapi: 3.1.0", "openapi: 3.0.3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := strings.Replace(Contract(), damage.old, damage.new, 1)
			require.NotEqual(t, Contract(), broken)
			require.Error(t, validated(t, broken))
		})
	}
}
