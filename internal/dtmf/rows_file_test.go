package dtmf

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var write = flag.Bool("write", false, "write testdata/rows.txt")

// TestRowsAreWritten keeps testdata/rows.txt, with which other rooms play the rows over
// a network: of each its name, what has to come of it and its packets. Presses of more
// than ten seconds are left out.
func TestRowsAreWritten(t *testing.T) {
	var b bytes.Buffer
	for _, row := range rows {
		in := row.in()
		if in[len(in)-1].at > 10500*time.Millisecond {
			continue
		}
		fmt.Fprintf(&b, "row %s\nwant %s\n", row.name, row.want)
		for _, p := range in {
			marker := 0
			if p.Marker {
				marker = 1
			}
			fmt.Fprintf(&b, "%d %d %d %d %d %x\n", p.at.Milliseconds(), p.SSRC, p.Seq, p.TS, marker, p.Payload)
		}
	}
	const name = "testdata/rows.txt"
	if *write {
		require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
	}
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(data), "the rows have changed: go test -run '^TestRowsAreWritten$' ./internal/dtmf -write")
}
