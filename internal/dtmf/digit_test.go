package dtmf

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryKeyHasItsCharacter(t *testing.T) {
	for i, c := range []byte("0123456789*#ABCD") {
		d, ok := DigitOf(c)
		require.True(t, ok)
		require.EqualValues(t, i, uint8(d), "RFC 4733 section 3.2 code of %c", c)
		require.Equal(t, c, d.Char())
	}
	for c := range 256 {
		d, ok := DigitOf(byte(c))
		require.Equal(t, bytes.IndexByte([]byte("0123456789*#ABCDabcd"), byte(c)) >= 0, ok)
		if !ok {
			require.Zero(t, d)
		}
	}
	for n := 16; n < 256; n++ {
		require.Zero(t, Digit(n).Char())
		require.False(t, Digit(n).Valid())
	}
}

// Whatever prints a key or what holds one prints the same text for every key.
func TestNoOutputTellsTheKey(t *testing.T) {
	type holder struct {
		Key    Digit
		Keys   []Digit
		Report Report
		Press  *Press
		Piece  Piece
		Packet Packet
	}
	shapes := func(d Digit) []any {
		r := Report{Kind: Down, Source: FromEvent, Digit: d, At: 5 * ms}
		p := Press{Digit: d, Length: 100 * ms}
		piece := Encode(nil, p, 8000, 20*ms)[0]
		packet := Packet{Payload: piece.Payload[:]}
		var decoder EventDecoder
		decoder.Decode(packet, 0, nil)
		var merge Merge
		merge.Accept(r)
		var tone ToneDetector
		pcm := make([]int16, 800)
		NewToneSound(d, 10, 8000).Fill(pcm)
		require.Len(t, tone.Decode(pcm, 100*ms, nil), 1)
		stream := ToneStream{detector: tone}
		block := Block{PT: 101, Payload: packet.Payload}
		return []any{
			d, &d, []Digit{d}, map[Digit]Digit{0: d}, [2]Digit{d, d}, r, &r, []Report{r}, p, &p, piece, &piece, packet, &packet,
			decoder, merge, tone, stream, block, []Block{block}, &decoder, &merge, &tone, &stream, &block, holder{d, []Digit{d}, r, &p, piece, packet},
		}
	}
	outputs := func(v any) []string {
		var out []string
		for _, verb := range []string{"%v", "%+v", "%s", "%q", "%d", "%x", "%X", "%c", "%U", "%o", "%b", "%5.2f", "%t"} {
			out = append(out, fmt.Sprintf(verb, v))
		}
		if b, err := json.Marshal(v); err == nil {
			out = append(out, string(b))
		}
		if b, err := xml.Marshal(v); err == nil {
			out = append(out, string(b))
		}
		var text, js bytes.Buffer
		noTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}
		slog.New(slog.NewTextHandler(&text, noTime)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&js, noTime)).Info("m", "v", v)
		return append(out, text.String(), js.String(), fmt.Sprint(v), fmt.Sprintln(v))
	}
	first := shapes(0)
	for d := Digit(1); d < 16; d++ {
		for i, v := range shapes(d) {
			a, b := outputs(first[i]), outputs(v)
			for j := range a {
				if isPointer(a[j]) {
					continue
				}
				require.Equal(t, a[j], b[j], "shape %d (%T), output %d", i, v, j)
			}
		}
	}
	require.Equal(t, "key", fmt.Sprintf("%d", Digit(7)))
	require.Equal(t, "key", fmt.Sprintf("%#v", Digit(7)))
	require.Equal(t, "key", Digit(7).String())
	require.Equal(t, "key", Digit(7).GoString())
	require.Equal(t, "down key by event at 5ms", fmt.Sprintf("%#v", Report{Kind: Down, Source: FromEvent, Digit: 7, At: 5 * ms}))
}

// isPointer says whether text shows an address, which differs between values.
func isPointer(text string) bool { return bytes.Contains([]byte(text), []byte("0xc")) }
