package caller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"star97/internal/dtmf"
)

// MaxKeys bounds one Press.
const MaxKeys = 64

// Press is how a key is pressed. Zero fields mean the defaults.
type Press struct {
	Length time.Duration // key-down to key-up; default 100 ms, 10 ms to 20 s
	Gap    time.Duration // key-up to the next key-down; default 100 ms, up to 10 s; negative: none
	Volume uint8         // attenuation in dB below 0 dBm0 (RFC 4733 section 2.3.4); default 10, up to 63
	// Lose says which packets of a press the network loses: n counts from 0, end
	// tells the three end packets. nil loses none. A lost packet uses up its
	// sequence number, as a real loss does.
	Lose func(n int, end bool) bool
}

// DefaultPress is an ordinary finger.
func DefaultPress() Press {
	return Press{Length: 100 * time.Millisecond, Gap: 100 * time.Millisecond, Volume: 10}
}

func (p Press) withDefaults() Press {
	d := DefaultPress()
	if p.Length == 0 {
		p.Length = d.Length
	}
	if p.Gap == 0 {
		p.Gap = d.Gap
	}
	p.Gap = max(p.Gap, 0)
	if p.Volume == 0 {
		p.Volume = d.Volume
	}
	return p
}

func (p Press) validate() error {
	switch {
	case p.Length < 10*time.Millisecond || p.Length > 20*time.Second:
		return fmt.Errorf("%w: a key is held for %v; it must be 10ms to 20s", ErrOptions, p.Length)
	case p.Gap > 10*time.Second:
		return fmt.Errorf("%w: the gap between keys is %v; it must be 10s at most", ErrOptions, p.Gap)
	case p.Volume > 63:
		return fmt.Errorf("%w: the volume is %d; it must be 0 to 63", ErrOptions, p.Volume)
	}
	return nil
}

// Errors of Press. None of them names a key.
var (
	ErrKeys     = errors.New("keys are 0-9, *, #, A-D, at most 64 at a time")
	ErrNoEvents = errors.New("the far end agreed on no telephone-event: keys can go by SIP INFO or as tones only")
	ErrHeld     = errors.New("the stream is on hold: no key can be sent by RTP")
	errManyKeys = errors.New("too many keys are waiting to be sent: press them one after the other")
)

// Press presses keys one after the other as Options say, and returns when the gap
// after the last one is over. Errors: ErrKeys, ErrNoEvents, ErrHeld, ErrEnded,
// *Refused for an INFO, ctx's.
func (c *Call) Press(ctx context.Context, keys string) error {
	return c.PressAs(ctx, keys, c.o.Press)
}

// PressAs is Press with another finger.
func (c *Call) PressAs(ctx context.Context, keys string, p Press) error {
	digits, err := digitsOf(keys)
	if err != nil {
		return err
	}
	p = p.withDefaults()
	if err := p.validate(); err != nil {
		return err
	}
	defer c.notePress(c.keyDowns())
	for _, d := range digits {
		if err := c.pressOne(ctx, d, p); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) keyDowns() int {
	if c.media == nil {
		return 0
	}
	return len(c.media.KeyDowns())
}

// notePress keeps when the last key of a press went down, if any of its keys did by RTP;
// there were before that many.
func (c *Call) notePress(before int) {
	if c.media == nil {
		return
	}
	if all := c.media.KeyDowns(); len(all) > before {
		c.mu.Lock()
		c.pressed = append(c.pressed, all[len(all)-1])
		c.mu.Unlock()
	}
}

// lastKeys are the key-downs that ended presses: of a code the last one alone, so that no
// figure tells how long it is.
func (c *Call) lastKeys() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.pressed...)
}

func digitsOf(keys string) ([]dtmf.Digit, error) {
	if len(keys) > MaxKeys {
		return nil, ErrKeys
	}
	digits := make([]dtmf.Digit, 0, len(keys))
	for i := range len(keys) {
		d, ok := dtmf.DigitOf(keys[i])
		if !ok {
			return nil, ErrKeys
		}
		digits = append(digits, d)
	}
	return digits, nil
}

func (c *Call) pressOne(ctx context.Context, d dtmf.Digit, p Press) error {
	up := make(chan struct{})
	if c.o.Keys == Info {
		close(up)
	} else {
		agreed := c.Agreed()
		switch {
		case agreed.EventPT == 0 && c.o.Keys != Inband:
			return ErrNoEvents
		case !agreed.Send:
			return ErrHeld
		}
		if err := c.media.sender.press(d, p, up); err != nil {
			return err
		}
	}
	if c.o.Keys == Info || c.o.Keys == Both || c.o.Keys == All {
		if err := c.info(ctx, d, p); err != nil {
			return err
		}
	}
	select {
	case <-up:
	case <-c.done:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	rest := p.Gap
	if c.o.Keys == Info {
		rest += p.Length
	}
	if !c.pause(ctx, rest) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return ErrEnded
	}
	return nil
}

// info sends one key as SIP INFO, at key-down.
func (c *Call) info(ctx context.Context, d dtmf.Digit, p Press) error {
	c.mu.Lock()
	r := c.newRequest("INFO", 0, &body{kind: dtmf.InfoRelay, data: dtmf.EncodeInfo(d, p.Length)})
	c.mu.Unlock()
	res, err := c.exchange(ctx, r, 64*t1)
	if err != nil {
		return fmt.Errorf("pressing a key by INFO: %w", err)
	}
	if !res.IsSuccess() {
		return refusal("INFO", res)
	}
	return nil
}
