package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"

	"star97/internal/codec"
	"star97/internal/media"
	"star97/internal/prompt"
	"star97/internal/script/stage"
)

// voice speaks sentences whose every millisecond, eight bytes of payload, says which
// one it is and where in it: the telephone knows exactly what it was sent.
type voice struct {
	mu    sync.Mutex
	known map[uint32]*clip // by number
}

// cell is one millisecond: a mark, the sentence's number, the millisecond, the mark
// again. Numbers come of names alone: what becomes of a datagram hangs on its content,
// which must not hang on the rounds before.
const (
	cell = 8
	mark = 0x5A
)

type clip struct {
	id      prompt.ID
	ms      int
	payload []byte
}

func (c *clip) Payload(codec.ID) []byte { return c.payload }

// spoken are the sentences of every round.
var spoken = &voice{known: map[uint32]*clip{}}

// Clip implements call.Voice. Every sentence is recorded in every language.
func (v *voice) Clip(language string, _ prompt.Words, id prompt.ID) (media.Clip, bool) {
	if language != "" && !strings.Contains(string(id), "/") {
		id = prompt.ID(language) + "/" + id
	}
	return v.clip(prompt.ID(strings.TrimPrefix(string(id), stage.Usual+"/"))), true
}

func (v *voice) clip(id prompt.ID) *clip {
	h := fnv.New32a()
	h.Write([]byte(id))
	number := h.Sum32()
	v.mu.Lock()
	defer v.mu.Unlock()
	if c := v.known[number]; c != nil {
		if c.id != id {
			panic(fmt.Sprintf("%s and %s have one number", c.id, id))
		}
		return c
	}
	// Longer than the breath that must be taken before an entry is typed again.
	c := &clip{id: id, ms: 1100 + int(number%50)*20}
	for ms := range c.ms {
		c.payload = append(c.payload, mark)
		c.payload = binary.BigEndian.AppendUint32(c.payload, number)
		c.payload = binary.BigEndian.AppendUint16(c.payload, uint16(ms))
		c.payload = append(c.payload, mark)
	}
	v.known[number] = c
	return c
}

// read tells which sentence a millisecond of payload belongs to; nil: silence.
func (v *voice) read(b []byte) (c *clip, ms int) {
	if len(b) < cell || b[0] != mark || b[7] != mark {
		return nil, 0
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known[binary.BigEndian.Uint32(b[1:])], int(binary.BigEndian.Uint16(b[5:]))
}

// sound is a part of one sentence within a packet.
type sound struct {
	id         prompt.ID // empty: silence
	from, to   int       // milliseconds
	whole, end bool      // from is 0; to is the sentence's last
}

// sounds cuts the payload of a packet into parts of sentences.
func (v *voice) sounds(payload []byte) (all []sound) {
	for len(payload) >= cell {
		c, ms := v.read(payload)
		if c == nil {
			payload = payload[cell:]
			if len(all) == 0 || all[len(all)-1].id != "" {
				all = append(all, sound{})
			}
			continue
		}
		n := min(len(payload)/cell, c.ms-ms)
		all = append(all, sound{id: c.id, from: ms, to: ms + n, whole: ms == 0, end: ms+n == c.ms})
		payload = payload[n*cell:]
	}
	return all
}
