package dtmf

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseInfo(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		key                     byte
		length                  time.Duration
		err                     error
	}{
		{name: "Cisco", contentType: "application/dtmf-relay", body: "Signal=5\r\nDuration=160\r\n", key: '5', length: 160 * ms},
		{name: "blanks", contentType: "application/dtmf-relay", body: "Signal = 5 \r\nDuration= 160", key: '5', length: 160 * ms},
		{name: "letter case", contentType: "APPLICATION/DTMF-Relay", body: "SIGNAL=a\nduration=100\n", key: 'A', length: 100 * ms},
		{name: "parameters of the type", contentType: "application/dtmf-relay; charset=utf-8", body: "Signal=0", key: '0'},
		{name: "no duration", contentType: "application/dtmf-relay", body: "Signal=9\r\n", key: '9'},
		{name: "unreadable duration does not cost the key", contentType: "application/dtmf-relay", body: "Signal=9\r\nDuration=soon", key: '9'},
		{name: "endless duration", contentType: "application/dtmf-relay", body: "Signal=9\r\nDuration=4000000000", key: '9', length: time.Minute},
		{name: "duration first", contentType: "application/dtmf-relay", body: "Duration=80\r\nSignal=1", key: '1', length: 80 * ms},
		{name: "star", contentType: "application/dtmf-relay", body: "Signal=*\r\nDuration=250", key: '*', length: 250 * ms},
		{name: "star by event code", contentType: "application/dtmf-relay", body: "Signal=10\r\nDuration=250", key: '*', length: 250 * ms},
		{name: "pound by event code", contentType: "application/dtmf-relay", body: "Signal=11", key: '#'},
		{name: "D by event code", contentType: "application/dtmf-relay", body: "Signal=15", key: 'D'},
		{name: "unknown lines", contentType: "application/dtmf-relay", body: "Version=1\r\nSignal=7\r\nVolume=10", key: '7'},
		{name: "the same signal twice", contentType: "application/dtmf-relay", body: "Signal=7\r\nSignal=7", key: '7'},
		{name: "plain", contentType: "application/dtmf", body: "5", key: '5'},
		{name: "plain with line end", contentType: "application/dtmf", body: " #\r\n", key: '#'},
		{name: "plain by event code", contentType: "application/dtmf", body: "10", key: '*'},
		{name: "relay form under the plain type", contentType: "application/dtmf", body: "Signal=3\r\nDuration=100", key: '3', length: 100 * ms},

		{name: "other type", contentType: "application/sdp", body: "Signal=5", err: ErrInfoType},
		{name: "no type", contentType: "", body: "5", err: ErrInfoType},
		{name: "type that only begins alike", contentType: "application/dtmf-relays", body: "5", err: ErrInfoType},
		{name: "empty", contentType: "application/dtmf", body: "", err: ErrInfoBody},
		{name: "empty relay", contentType: "application/dtmf-relay", body: "\r\n", err: ErrInfoBody},
		{name: "no signal", contentType: "application/dtmf-relay", body: "Duration=160", err: ErrInfoBody},
		{name: "signal without value", contentType: "application/dtmf-relay", body: "Signal=", err: ErrInfoBody},
		{name: "two different signals", contentType: "application/dtmf-relay", body: "Signal=1\r\nSignal=2", err: ErrInfoBody},
		{name: "several digits", contentType: "application/dtmf", body: "123", err: ErrInfoKey},
		{name: "flash", contentType: "application/dtmf-relay", body: "Signal=16", err: ErrInfoKey},
		{name: "flash as a sign", contentType: "application/dtmf-relay", body: "Signal=!", err: ErrInfoKey},
		{name: "letter", contentType: "application/dtmf", body: "E", err: ErrInfoKey},
		{name: "too long", contentType: "application/dtmf", body: strings.Repeat(" ", 256) + "5", err: ErrInfoSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, length, err := ParseInfo(c.contentType, []byte(c.body))
			require.ErrorIs(t, err, c.err)
			if c.err != nil {
				require.Zero(t, d)
				return
			}
			require.Equal(t, c.key, d.Char())
			require.Equal(t, c.length, length)
		})
	}
}

// What is accepted, written again, is the same key and length; what is refused is
// not quoted.
func FuzzParseInfo(f *testing.F) {
	f.Add("application/dtmf-relay", []byte("Signal=5\r\nDuration=160\r\n"))
	f.Add("application/dtmf", []byte("10"))
	f.Add("Application/DTMF;x=y", []byte("signal = 11\nSignal=#"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		d, length, err := ParseInfo(contentType, body)
		if err != nil {
			for _, known := range []error{ErrInfoType, ErrInfoSize, ErrInfoBody, ErrInfoKey} {
				if err == known {
					return // the text is fixed: nothing of the body is in it
				}
			}
			t.Fatalf("an error of its own: %T", err)
		}
		require.True(t, d.Valid())
		again, sameLength, err := ParseInfo(InfoRelay, EncodeInfo(d, length))
		require.NoError(t, err)
		require.Equal(t, d.Char(), again.Char())
		require.Equal(t, length, sameLength)
		plain, _, err := ParseInfo(InfoPlain, []byte{d.Char()})
		require.NoError(t, err)
		require.Equal(t, d.Char(), plain.Char())
	})
}
