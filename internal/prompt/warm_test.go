package prompt

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

// everyPayload asks for all that a wideband call can.
func everyPayload(t *testing.T, cat *Catalogue, lang string) {
	t.Helper()
	for _, id := range cat.IDs(lang) {
		a, ok := cat.Audio(lang, id, Words{})
		require.True(t, ok)
		require.NotEmpty(t, a.Payload(codec.G722))
	}
}

// Whatever a call asks for is there: no master is read, so none is encoded.
func TestNoCallMakesAWidebandPayloadOnceWarm(t *testing.T) {
	ids := []ID{Welcome, Busy, Failed}
	all := newTree("en-US", ids...)
	all.edit("    text: Words of busy", "    then: failed\n    text: Words of busy")
	for name, f := range newTree("de-DE", ids...).fsys {
		all.fsys[name] = f
	}
	opened := &countingFS{FS: all.fsys}
	cat, _ := Load(opened)
	require.Equal(t, len(ids), opened.masters("en-US"))

	cat.Warm(context.Background())
	require.Equal(t, 2*len(ids), opened.masters("en-US"))
	require.Zero(t, opened.masters("de-DE"), "nobody speaks it")
	everyPayload(t, cat, "en-US")
	require.Equal(t, 2*len(ids), opened.masters("en-US"))

	require.Empty(t, cat.Cold())
	require.Empty(t, cat.Prepare("de-DE"))
	<-cat.Cold()
	require.Empty(t, cat.Prepare("de-DE"))
	require.Empty(t, cat.Cold(), "there is nothing to make")
	cat.Warm(context.Background())
	everyPayload(t, cat, "de-DE")
	require.Equal(t, 2*len(ids), opened.masters("de-DE"))
}

func TestWhatCallersHearFirstIsWarmFirst(t *testing.T) {
	first := []ID{Welcome, Goodbye, MainMenu, "line-heard-many"} // in the order of Required
	tree := newTree("en-US", append([]ID{"a-site-s-own"}, first...)...)
	opened := &countingFS{FS: tree.fsys}
	cat, _ := Load(opened)
	opened.names = nil
	cat.Warm(context.Background())
	require.Len(t, opened.names, 1+len(first))
	for i, id := range append(first, "a-site-s-own") {
		require.Equal(t, "en-US/"+string(id)+".wav", opened.names[i])
	}
}

func TestWarmEndsWithItsContext(t *testing.T) {
	opened := &countingFS{FS: newTree("en-US", Welcome, Busy).fsys}
	cat, _ := Load(opened)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cat.Warm(ctx)
	require.Equal(t, 2, opened.masters("en-US"))
}
