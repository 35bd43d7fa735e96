package main

import (
	"bytes"
	"strconv"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

const (
	maxStartLine = 4 << 10  // bytes without an end of line, beyond which a connection carries something else
	maxMessage   = 64 << 10 // bytes of a SIP message
	// maxAhead bounds the segments, of each direction of a connection, that wait for one that
	// is missing: it may not be in the capture.
	maxAhead = 8
)

// segments puts the SIP messages of TCP connections together.
type segments struct {
	take      func(message []byte, id streamID)
	assembler *reassembly.Assembler
	all       []*connection
	ended     bool
	missing   int // gaps in connections that carry SIP
}

func newSegments(take func(message []byte, id streamID)) *segments {
	s := &segments{take: take}
	s.assembler = reassembly.NewAssembler(reassembly.NewStreamPool(s))
	s.assembler.MaxBufferedPagesPerConnection = maxAhead
	return s
}

// moment is when a segment was captured, as the assembler asks for it.
type moment gopacket.CaptureInfo

func (m moment) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(m) }

func (s *segments) add(network gopacket.Flow, l *layers.TCP, info gopacket.CaptureInfo) {
	s.assembler.AssembleWithContext(network, l, moment(info))
}

// end takes what waits, one connection after the other: the assembler has them in no order.
func (s *segments) end() {
	s.ended = true
	s.assembler.FlushAll()
	for _, c := range s.all {
		for _, m := range c.late {
			s.take(m.text, m.id)
		}
	}
}

// New is a reassembly.StreamFactory.
func (s *segments) New(network, _ gopacket.Flow, l *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	id := idOf(network, uint16(l.SrcPort), uint16(l.DstPort))
	c := &connection{segments: s, first: id, back: streamID{id.to, id.from}}
	s.all = append(s.all, c)
	return c
}

// connection is a reassembly.Stream.
type connection struct {
	*segments
	first, back streamID // the direction of the first segment, and the other one
	sip         bool     // it has carried a message
	late        []lateMessage
}

type lateMessage struct {
	text []byte
	id   streamID
}

// Accept takes every segment, also of a connection that is older than the capture.
func (c *connection) Accept(_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, _ reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	*start = true
	return true
}

// ReassembledSG takes what has come in order.
func (c *connection) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	direction, _, _, skipped := sg.Info()
	if skipped > 0 && c.sip {
		c.missing++
	}
	id := c.first
	if direction == reassembly.TCPDirServerToClient {
		id = c.back
	}
	length, _ := sg.Lengths()
	data := sg.Fetch(length)
	for {
		message, rest := cutMessage(data)
		if message == nil {
			if len(rest) > 0 {
				sg.KeepFrom(length - len(rest))
			}
			return
		}
		c.deliver(message, id)
		data = rest
	}
}

func (c *connection) deliver(message []byte, id streamID) {
	c.sip = true
	if c.ended {
		c.late = append(c.late, lateMessage{bytes.Clone(message), id})
		return
	}
	c.take(message, id)
}

// ReassemblyComplete lets go of the connection.
func (c *connection) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }

// cutMessage cuts the first SIP message off. Where there is none the rest is what may become
// one with more data.
func cutMessage(data []byte) (message, rest []byte) {
	data = bytes.TrimLeft(data, "\r\n") // RFC 3261 section 7.5, RFC 5626 section 3.5.1
	_, _, line := bytes.Cut(data, []byte("\r\n"))
	_, body, headed := bytes.Cut(data, []byte("\r\n\r\n"))
	switch {
	case !line && len(data) < maxStartLine, line && isSIP(data) && !headed && len(data) < maxMessage:
		return nil, data
	case !headed || !isSIP(data):
		return nil, nil
	}
	size := len(body)
	if said := parseSIP(data).length; said != "" {
		n, err := strconv.ParseUint(said, 10, 32)
		if err != nil || n > maxMessage {
			return nil, nil
		}
		size = int(n)
	}
	if size > len(body) {
		return nil, data
	}
	size += len(data) - len(body)
	return data[:size], data[size:]
}
