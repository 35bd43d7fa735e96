package strictyaml

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesAreKnownWhenTheTreeIsGone(t *testing.T) {
	data := append([]byte("\uFEFF"), "name: x\nlist:\n- a\n- b\n"...)
	f, problem := Decode("file.yaml", data, new(struct {
		Name string   `yaml:"name"`
		List []string `yaml:"list"`
	}))
	require.Nil(t, problem)
	for range 3 {
		require.Equal(t, 4, f.Line("$.list[1]"))
		require.Equal(t, "file.yaml:3: No.", f.Problem("$.list.none", "No.", "").Error())
		runtime.GC()
		require.Nil(t, f.root.Value(), "nothing keeps the tree")
	}
}
