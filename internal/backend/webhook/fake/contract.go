package fake

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Contract is the OpenAPI document between star97 and a service, and its schemas.
type Contract struct {
	Root map[string]any
	all  *jsonschema.Compiler
}

// ReadContract reads the document.
func ReadContract(t testing.TB, document string) Contract {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(document))
	require.NoError(t, err)
	root := Decoded(t, text)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("contract.json", root))
	return Contract{root.(map[string]any), c}
}

// Decoded is a JSON text as schemas look at it.
func Decoded(t testing.TB, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return v
}

// At walks to a part of the document.
func (c Contract) At(t testing.TB, path ...string) any {
	t.Helper()
	var node any = c.Root
	for _, p := range path {
		inner, ok := node.(map[string]any)
		require.True(t, ok && inner[p] != nil, "the contract has no %v", path)
		node = inner[p]
	}
	return node
}

// Schema compiles the schema that stands at a path.
func (c Contract) Schema(t testing.TB, path ...string) *jsonschema.Schema {
	t.Helper()
	c.At(t, path...)
	pointer := "contract.json#"
	for _, p := range path {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
	}
	s, err := c.all.Compile(pointer)
	require.NoError(t, err)
	return s
}

var jsonBody = []string{"content", "application/json", "schema"}

// Request is the schema of an operation's requests.
func (c Contract) Request(t testing.TB, path string) *jsonschema.Schema {
	return c.Schema(t, append([]string{"paths", path, "post", "requestBody"}, jsonBody...)...)
}

// Answer is the schema of its answers.
func (c Contract) Answer(t testing.TB, path string) *jsonschema.Schema {
	return c.Schema(t, append([]string{"paths", path, "post", "responses", "200"}, jsonBody...)...)
}

// Holds requires that an exchange keeps to the contract.
func (c Contract) Holds(t testing.TB, path string, request, answer []byte, status int) {
	require.NoError(t, c.Request(t, path).Validate(Decoded(t, request)), path)
	if status == http.StatusOK {
		require.NoError(t, c.Answer(t, path).Validate(Decoded(t, answer)), "%s: %s", path, answer)
	}
}

// Watch is a service with every exchange held against the contract.
func (c Contract) Watch(t testing.TB, service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(request))
		kept := httptest.NewRecorder()
		service.ServeHTTP(kept, r)
		if kept.Code != http.StatusUnauthorized && kept.Code != http.StatusNotFound {
			c.Holds(t, r.URL.Path, request, kept.Body.Bytes(), kept.Code)
		}
		for name, values := range kept.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	})
}
