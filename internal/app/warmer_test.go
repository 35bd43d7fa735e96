package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
)

// reading counts the masters that are read.
type reading struct {
	fs.FS
	masters atomic.Int32
}

func (r *reading) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, ".wav") {
		r.masters.Add(1)
	}
	return r.FS.Open(name)
}

// twoWords is a voice of two languages with a sentence each.
func twoWords(t *testing.T) (Voice, *reading) {
	files := fstest.MapFS{}
	for i, tag := range []string{"en-US", "fr-FR"} {
		wav := prompt.WriteWAV(prompt.WideRate, make([]int16, 8000*(i+1)))
		files[tag+"/busy.wav"] = &fstest.MapFile{Data: wav}
		files[tag+"/"+prompt.ManifestName] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"language: %s\nvoices:\n  v:\n    engine: test\n    licence: none\nsentences:\n  busy:\n    text: Later.\n    voice: v\n    sha256: %x\n", tag, sha256.Sum256(wav))}
	}
	r := &reading{FS: files}
	catalogue, _ := prompt.Load(r)
	v := Voice{catalogue}
	_, spoken := v.Clip("en-US", prompt.Words{}, prompt.Busy)
	require.True(t, spoken)
	return v, r
}

// The voice in force, each language that becomes ready to be spoken, and the voice that
// a reload brings. What the start took is given back behind the first of them alone.
func TestRecordingsAreWarmBeforeCallsNeedThem(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	w, ended := newWarmer(), make(chan struct{})
	given := 0
	w.giveBack = func() { given++ }
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	warm := func(r *reading, masters int32) {
		t.Helper()
		require.Eventually(t, func() bool { return r.masters.Load() == masters }, patience, time.Millisecond)
	}
	v, r := twoWords(t)
	w.take(v)
	warm(r, 2) // each is read once for narrowband calls, and once more
	v.Prepare("fr-FR")
	warm(r, 4)
	for _, language := range []string{"en-US", "fr-FR"} {
		clip, _ := v.Clip(language, prompt.Words{}, prompt.Busy)
		require.NotEmpty(t, clip.Payload(codec.G722))
	}
	require.EqualValues(t, 4, r.masters.Load())

	next, r := twoWords(t)
	w.take(next)
	warm(r, 2)
	stop()
	<-ended
	require.Equal(t, 1, given)
}
