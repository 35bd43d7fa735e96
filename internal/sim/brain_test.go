package sim

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"star97/internal/prompt"
)

// brain is the person with the telephone: it wanders through the menus by what it
// hears, well or badly.
type brain struct {
	phone   *phone
	asked   question
	pending bool // an answer to the question is on its way
	leaving bool
	fresh   string // the new code it has in mind
	lost    bool   // it may say that it has forgotten the code
	menu    map[string]byte
}

// question is what a sentence asks for.
type question uint8

const (
	nothing question = iota
	extension
	code
	menu
	newCode
	repeat
	offer
	chosen
	oneTime
)

// questions are the sentences that ask, by the beginning of their name.
var questions = []struct {
	prefix string
	asks   question
}{
	{"enter-extension", extension}, {"enter-code", code}, {"wrong-code", code}, {"forgotten-offer", code}, {"option-", menu}, {"menu", menu},
	{"offer-choose", offer}, {"chosen-type-back", chosen}, {"enter-one-time", oneTime}, {"wrong-one-time", oneTime},
	{"first-use", newCode}, {"code-expired", newCode},
	{"enter-new-code", newCode}, {"must-change", newCode}, {"new-code-rules", newCode}, {"refused-", newCode}, {"repeat-new-code", repeat},
}

func asks(id prompt.ID) question {
	for _, q := range questions {
		if strings.HasPrefix(string(id), q.prefix) {
			return q.asks
		}
	}
	return nothing
}

// owner is what the people of one mailbox believe to know of its code.
type owner struct {
	mu    sync.Mutex
	codes []string // the last one is the latest
}

func (o *owner) learn(code string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.codes = append(o.codes, code)
}

// recall is mostly the latest code.
func (o *owner) recall(r *rand.Rand) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.codes) == 0 {
		return digits(r, 6)
	}
	if chance(r, 0.1) {
		return o.codes[r.IntN(len(o.codes))]
	}
	return o.codes[len(o.codes)-1]
}

// begin is the moment of the answer: some type at once, some have plans to leave.
func (b *brain) begin() {
	p := b.phone
	if p.plan.scripted {
		return
	}
	if b.leaving {
		p.after(between(p.dice, 0, time.Second), p.bye)
	}
	if p.plan.hangAt > 0 {
		p.after(p.plan.hangAt, p.bye)
	}
	if p.plan.vanishAt > 0 {
		p.after(p.plan.vanishAt, func() {
			if p.state == talking {
				p.vanish()
			}
		})
	}
	for _, h := range p.plan.holds {
		p.after(h.at, func() { p.renegotiate("sendonly") })
		p.after(h.at+h.lasts, func() { p.renegotiate("sendrecv") })
	}
	if p.plan.hasty {
		p.after(between(p.dice, 0, 300*time.Millisecond), b.hurry)
	}
	p.after(p.plan.patience, p.bye)
}

// hurry types everything ahead, as somebody does who knows the way.
func (b *brain) hurry() {
	p := b.phone
	b.think()
	keys := p.owner().recall(p.dice) + "#2" + b.fresh + "#" + b.fresh + "#"
	if p.plan.anyDoor {
		keys = p.plan.mailbox + "#" + keys
	}
	p.keys.press(keys)
}

// think takes a new code into the mind.
func (b *brain) think() {
	p := b.phone
	b.fresh = digits(p.dice, 6+p.dice.IntN(4))
	if chance(p.dice, max(0.1, p.plan.simple)) {
		b.fresh = []string{"123456", "111111", "12", "987654", p.plan.mailbox, "0000000000000", p.owner().recall(p.dice)}[p.dice.IntN(7)]
	}
}

func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// began hears the beginning of a sentence.
func (b *brain) began(id prompt.ID) {
	p := b.phone
	p.note("hears", string(id))
	if p.plan.scripted {
		return
	}
	id = plainID(id)
	if id == prompt.Changed && b.fresh != "" {
		p.owner().learn(b.fresh)
	}
	if rest, ok := strings.CutPrefix(string(id), "option-"); ok {
		if i := strings.LastIndexByte(rest, '-'); i > 0 {
			if b.menu == nil {
				b.menu = map[string]byte{}
			}
			b.menu[rest[:i]] = keyNamed(rest[i+1:])
		}
	}
	b.lost = b.lost || id == prompt.ForgottenOffer
	if q := asks(id); q != nothing {
		b.asked = q
		if chance(p.dice, p.plan.bargeIn) {
			b.answer(between(p.dice, 50*time.Millisecond, 900*time.Millisecond))
		}
	}
}

func keyNamed(word string) byte {
	switch word {
	case "star":
		return '*'
	case "pound":
		return '#'
	}
	return word[0]
}

// ended hears the end of a sentence.
func (b *brain) ended(id prompt.ID) {
	if b.phone.plan.scripted {
		return
	}
	if asks(plainID(id)) == b.asked && b.asked != nothing {
		b.answer(between(b.phone.dice, 200*time.Millisecond, b.phone.plan.slowness))
	}
}

// answer answers the question some time later, unless an answer is under way.
func (b *brain) answer(later time.Duration) {
	p := b.phone
	if b.pending || p.keys.busy() || p.state != talking {
		return
	}
	b.pending = true
	p.after(later, func() {
		b.pending = false
		if p.state != talking || p.keys.busy() {
			return
		}
		b.act(b.asked)
		b.asked = nothing
	})
}

// act does one of the things that people do.
func (b *brain) act(q question) {
	p := b.phone
	if chance(p.dice, p.plan.folly) {
		b.fool()
		return
	}
	switch q {
	case extension:
		p.keys.press(p.plan.mailbox + "#")
	case code:
		p.keys.press(b.recall() + "#")
	case oneTime:
		p.keys.press(b.mail() + "#")
	case offer:
		p.keys.press(b.consider())
	case chosen:
		b.fresh = spelledTo(p.sentences())
		p.keys.press(b.fresh + b.pound())
	case menu:
		p.keys.press(string(b.choose()))
	case newCode:
		b.think()
		keys := b.fresh + b.pound()
		if chance(p.dice, 0.3) {
			keys = b.fresh + "#" + b.fresh + "#"
		}
		p.keys.press(keys)
	case repeat:
		p.keys.press(b.fresh + b.pound())
	}
}

// recall is the code as the caller remembers it; whoever was offered help may take it.
func (b *brain) recall() string {
	p := b.phone
	switch {
	case b.lost && chance(p.dice, 0.7):
		return "1"
	case chance(p.dice, p.plan.forgets):
		return digits(p.dice, 6)
	}
	return p.owner().recall(p.dice)
}

// mail is the one-time code that came last, if one did.
func (b *brain) mail() string {
	p := b.phone
	all := p.round.post.All()
	for i := len(all) - 1; i >= 0; i-- {
		if to := all[i].To; to.Extension == p.plan.mailbox && to.Domain == p.plan.tenant && !chance(p.dice, 0.1) {
			return plainOf(all[i].Code)
		}
	}
	return digits(p.dice, 8)
}

// consider answers the offer of a code: yes, no, or with an own one.
func (b *brain) consider() string {
	p := b.phone
	switch roll := p.dice.Float64(); {
	case roll < 0.7:
		return "1"
	case roll < 0.8:
		return "*"
	}
	b.think()
	return b.fresh + "#"
}

// pound ends an entry; some leave it out.
func (b *brain) pound() string {
	if chance(b.phone.dice, 0.1) {
		return ""
	}
	return "#"
}

// fool is what nobody should do.
func (b *brain) fool() {
	p := b.phone
	switch p.dice.IntN(12) {
	case 0:
		p.keys.press("*")
	case 1:
		p.keys.press(digits(p.dice, 1+p.dice.IntN(12)) + "#")
	case 2:
		p.keys.press("#")
	case 3: // silence
	case 4:
		p.bye()
	case 5:
		p.keys.press(digits(p.dice, 1+p.dice.IntN(6)))
	case 6:
		p.keys.press(digits(p.dice, 3) + "*" + p.owner().recall(p.dice) + "#")
	case 7:
		p.keys.press(digits(p.dice, 40))
	case 8:
		p.renegotiate("sendrecv")
	case 9:
		p.move()
	case 10:
		p.send(p.request("UPDATE", "application/sdp", p.describe("sendrecv"), func(int, string) {}))
	case 11:
		p.send(p.request("OPTIONS", "", "", func(int, string) {}))
	}
}
