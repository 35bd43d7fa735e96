package dtmf

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrRED says that a payload is not RFC 2198 redundant audio data.
var ErrRED = errors.New("payload is not RFC 2198 redundancy: a block header or its data is cut off; check the payload type of RED")

// maxBlocks bounds the blocks taken from one RED payload.
const maxBlocks = 8

// Block is one block of an RFC 2198 payload. Payload points into the packet.
type Block struct {
	PT      uint8
	TS      uint32
	Payload []byte
}

// UnpackRED appends the blocks of an RFC 2198 section 3 payload to dst, oldest
// first and the primary last. ts is the packet's timestamp. Errors: ErrRED.
//
//	 0                   1                   2                   3
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|1|  block PT   |     timestamp offset      |   block length    |  redundant block
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|0|  block PT   |                                                  primary block
//	+-+-+-+-+-+-+-+-+
func UnpackRED(dst []Block, ts uint32, payload []byte) ([]Block, error) {
	data, ok := redData(payload)
	if !ok {
		return dst, ErrRED
	}
	n := len(dst)
	for head := payload; ; head = head[4:] {
		pt := head[0] & 0x7F
		if head[0]&0x80 == 0 {
			return append(dst, Block{PT: pt, TS: ts, Payload: data}), nil
		}
		word := binary.BigEndian.Uint32(head)
		size := int(word & 0x3FF)
		if size > len(data) {
			return dst[:n], ErrRED
		}
		dst = append(dst, Block{PT: pt, TS: ts - word>>10&0x3FFF, Payload: data[:size]})
		data = data[size:]
	}
}

// redData returns what follows the block headers.
func redData(payload []byte) ([]byte, bool) {
	for range maxBlocks {
		switch {
		case len(payload) == 0:
			return nil, false
		case payload[0]&0x80 == 0:
			return payload[1:], true
		case len(payload) < 4:
			return nil, false
		}
		payload = payload[4:]
	}
	return nil, false
}

// DecodeRED decodes the telephone-event blocks of an RFC 2198 packet, oldest first.
// p carries the whole RED payload, eventPT is the payload type of the events in it, and
// oldPT that of before a renegotiation, which some may still have (0: none).
func (d *EventDecoder) DecodeRED(p Packet, eventPT, oldPT uint8, now time.Duration, out []Report) []Report {
	var room [maxBlocks]Block
	blocks, err := UnpackRED(room[:0], p.TS, p.Payload)
	if err != nil {
		d.stats.Bad++
		return out
	}
	ahead := d.advance(p, now)
	out = d.Expire(now, out)
	for i, b := range blocks {
		if b.PT != eventPT && (b.PT != oldPT || oldPT == 0) || len(b.Payload) == 0 {
			continue
		}
		q := p
		q.TS, q.Payload = b.TS, b.Payload
		q.Redundant = i < len(blocks)-1
		q.Marker = p.Marker && !q.Redundant
		out = d.decode(q, ahead, now, out)
	}
	return out
}
