package caller

import (
	"fmt"
	"slices"
	"strings"

	"star97/internal/sdp"
)

// Direction is which way a stream flows, from our side (RFC 3264 section 5.1).
type Direction uint8

// The directions. The zero value means: as it was.
const (
	SendRecv Direction = iota + 1
	SendOnly
	RecvOnly
	Inactive
)

var directionLines = [...]string{SendRecv: "a=sendrecv", SendOnly: "a=sendonly", RecvOnly: "a=recvonly", Inactive: "a=inactive"}

// describe is our side of the stream as it stands.
func (c *Call) describe() sdp.Local {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local
}

// offer makes our offer: sdp's, with the direction that was asked for last, the
// packet time of the options, and without telephone-event where they say so.
func (c *Call) offer() ([]byte, error) {
	raw := sdp.Offer(c.describe())
	c.mu.Lock()
	direction := max(c.direction, SendRecv)
	c.mu.Unlock()
	var out strings.Builder
	event := ""
	for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		switch {
		case line == directionLines[SendRecv]:
			line = directionLines[direction]
		case strings.HasPrefix(line, "a=ptime:"):
			line = fmt.Sprintf("a=ptime:%d", c.o.PTime.Milliseconds())
		case c.o.NoEvents && strings.Contains(line, " telephone-event/"):
			event, _, _ = strings.Cut(strings.TrimPrefix(line, "a=rtpmap:"), " ")
			continue
		case event != "" && strings.HasPrefix(line, "a=fmtp:"+event+" "):
			continue
		}
		out.WriteString(line + "\r\n")
	}
	if event == "" {
		return []byte(out.String()), nil
	}
	return withoutFormat(out.String(), event)
}

// withoutFormat takes one payload type out of the audio line.
func withoutFormat(description, number string) ([]byte, error) {
	lines := strings.Split(description, "\r\n")
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "m=audio "); ok {
			words := strings.Fields(rest)
			words = append(words[:2:2], slices.DeleteFunc(words[2:], func(w string) bool { return w == number })...)
			lines[i] = "m=audio " + strings.Join(words, " ")
			return []byte(strings.Join(lines, "\r\n")), nil
		}
	}
	return nil, sdp.ErrNoAudio
}

// answer makes our answer to an offer of the far end.
func (c *Call) answer(offer []byte) ([]byte, sdp.Agreed, error) {
	return sdp.Answer(offer, c.describe())
}
