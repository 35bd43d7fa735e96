package flow_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/flow"
)

func TestTheCommittedDrawingIsOfThisTable(t *testing.T) {
	kept, err := os.ReadFile("flow.svg")
	require.NoError(t, err)
	var now bytes.Buffer
	require.NoError(t, flow.Draw(&now, "default", "svg"))
	require.True(t, bytes.Equal(kept, now.Bytes()), "the table has changed: run `make docs`")
}
