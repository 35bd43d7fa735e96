package caller

import (
	"fmt"
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

var directions = [...]sdp.Direction{SendRecv: sdp.SendRecv, SendOnly: sdp.SendOnly, RecvOnly: sdp.RecvOnly, Inactive: sdp.Inactive}

// describe is our side of the stream as it stands.
func (c *Call) describe() sdp.Local {
	c.mu.Lock()
	defer c.mu.Unlock()
	local := c.local
	local.Direction, local.NoEvents = directions[c.direction], c.o.NoEvents
	local.Security, local.Key = c.o.SRTP, c.agreed.OurKey
	return local
}

// offer makes our offer: sdp's, with the packet time of the options.
func (c *Call) offer() []byte {
	lines := strings.Split(string(sdp.Offer(c.describe())), "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "a=ptime:") {
			lines[i] = fmt.Sprintf("a=ptime:%d", c.o.PTime.Milliseconds())
		}
	}
	return []byte(strings.Join(lines, "\r\n"))
}

// answer makes our answer to an offer of the far end.
func (c *Call) answer(offer []byte) ([]byte, sdp.Agreed, error) {
	return sdp.Answer(offer, c.describe())
}
