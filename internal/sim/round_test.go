package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"star97/internal/app"
	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/script/stage"
	"star97/internal/uas"
)

// round is one run of the whole program.
type round struct {
	seed   uint64
	plan   plan
	began  time.Time
	net    *network
	wires  []wires
	phones []*phone
	owners map[home]*owner
	log    *events
	plant  plant
	alter  func(*config.Config)
	act    func(stop func()) // what the callers do

	config config.Config
	post   stage.Post // one-time codes go here

	stores *app.Stores
	boxes  []mailbox.Account

	mu     sync.Mutex
	deeds  []*deed
	faults []fault
}

// wires are the four directions of one call.
type wires struct{ sipUp, sipDown, rtpUp, rtpDown *wire }

func (p *phone) owner() *owner { return p.round.owners[home{p.plan.tenant, p.plan.mailbox}] }

// home is where a mailbox is found.
type home struct{ tenant, extension string }

func (r *round) saw(d *deed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deeds = append(r.deeds, d)
}

func newRound(seed uint64) *round {
	r := &round{seed: seed, plan: planOf(seed), net: newNetwork(), owners: map[home]*owner{}}
	r.alter, r.act = func(c *config.Config) { r.plan.site.settle(c) }, r.call
	return r
}

// stuckAfter is in real time, which a busy machine has little of.
const stuckAfter = 10 * time.Minute

// String is a round that failed: what was broken, what was planned, what happened.
func (r *round) String() string {
	var b strings.Builder
	for _, f := range r.faults {
		fmt.Fprintf(&b, "%s: %s\n", f.promise, f.what)
	}
	return fmt.Sprintf("round %d broke a promise; repeat it with: make sim SEED=%d ROUNDS=1\n%s\n%s\n%s", r.seed, r.seed, &b, r.plan, r.log)
}

// play runs the round in a bubble of its own and returns what was broken.
func (r *round) play(t *testing.T) []fault {
	dir := furnished(t)
	defer os.RemoveAll(dir)
	// In a bubble time does not pass while anybody waits for a lock, so whoever sleeps
	// with one would stop it for ever.
	stuck := time.AfterFunc(stuckAfter, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("round %d stands still: a goroutine waits for a lock whose holder waits for time\n%s\n%s", r.seed, r.plan, r.log))
	})
	defer stuck.Stop()
	// With one processor, goroutines that are ready at the same instant run one after
	// the other, mostly in one order.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cryptotest.SetGlobalRandom(t, r.seed) // tags, SSRCs, salts
	synctest.Test(t, func(t *testing.T) {
		r.began = time.Now()
		r.log = &events{began: r.began}
		r.run(dir)
	})
	return r.faults
}

func (r *round) run(dir string) {
	c := configOf(r.net)
	r.alter(&c)
	r.config = c
	if r.plant.program != nil {
		r.plant.program(&c)
	}
	stores, err := app.OpenWith(context.Background(), c, dir, app.Seams{
		Now: r.wall, Carrier: &r.post, OneTime: func(string) bool { return r.plan.site.oneTime },
		Wrap: func(desk mailbox.Store) mailbox.Store { return r.behind(desk) },
	})
	if err != nil {
		r.broken(starts, "%v", err)
		return
	}
	r.stores = stores
	r.furnish()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		ended <- app.Serve(ctx, c, stores, app.Options{
			Data: dir, Log: slog.New(r.handler()), Voice: r.voice(), ListenPacket: r.net.listenSIP,
			Ready: func(app.Ready) error { close(ready); return nil },
		})
	}()
	select {
	case <-ready:
		r.act(stop)
		r.judgeCalls()
	case err := <-ended:
		r.broken(starts, "%v", err)
		ended <- nil
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			r.broken(stopsCleanly, "%v", err)
		}
	case <-time.After(longestEnd):
		r.broken(stopsCleanly, "the service goes on %v after it was told to stop", longestEnd)
		<-ended
	}
	if r.plant.stopped != nil {
		r.plant.stopped(r)
	}
	r.judgeStores()
	if err := stores.Close(); err != nil {
		r.broken(stopsCleanly, "the stores do not close: %v", err)
	}
	r.leave()
}

// behind is what the lock-out asks: a witness, settling, moods, one-time codes, the backend.
func (r *round) behind(backend mailbox.Store) mailbox.Store {
	if r.plant.backend != nil {
		backend = r.plant.backend(r, backend)
	}
	moody := &moody{Store: backend, round: r, moods: r.plan.store, dice: map[string]*rand.Rand{}}
	var asked mailbox.Store = witness{mailbox.Settled(moody, settleReserve), r}
	if r.plant.asked != nil {
		asked = r.plant.asked(asked)
	}
	return asked
}

// settleReserve is app's.
const settleReserve = 2 * time.Second

func (r *round) handler() slog.Handler {
	if r.plant.log != nil {
		return r.plant.log(r.log)
	}
	return r.log
}

func (r *round) voice() call.Voice {
	if r.plant.voice != nil {
		return r.plant.voice
	}
	return spoken
}

// furnish makes the mailboxes.
func (r *round) furnish() {
	for _, b := range r.plan.boxes {
		var code pin.PIN
		o := &owner{}
		if b.absent {
			r.boxes = append(r.boxes, mailbox.Account{})
			continue
		}
		if b.code != "" {
			code, _ = pin.Parse(b.code)
			o.codes = []string{b.code}
		}
		a, err := r.stores.Add(context.Background(), mailbox.Account{Extension: b.extension, Domain: b.domain, Language: b.language, Flags: b.flags}, code, "sim")
		if err != nil {
			r.broken(starts, "%v", err)
		}
		r.boxes, r.owners[home{b.domain, b.extension}] = append(r.boxes, a), o
	}
}

// call lets every telephone call, and returns when no call is up any more.
func (r *round) call(stop func()) {
	r.wire()
	for n, c := range r.plan.callers {
		r.phones = append(r.phones, newPhone(r, n, c))
	}
	if r.plant.called != nil {
		r.plant.called(r)
	}
	for _, p := range r.phones {
		go p.run()
	}
	if r.plan.stop > 0 {
		time.AfterFunc(r.plan.stop, stop)
	}
	for _, p := range r.phones {
		select {
		case <-p.gone:
		case <-time.After(longestCall + time.Minute):
			r.broken(endsInTime, "call %d: its telephone is still busy", p.n)
		}
	}
	r.awaitEnds()
}

// wire lays the wires of every call.
func (r *round) wire() {
	r.wires = make([]wires, len(r.plan.callers))
	for n := range r.plan.callers {
		w := func(way uint64, k kind, c climate) *wire {
			one := &wire{climate: c, kind: k, call: n, outages: r.plan.outages, began: r.began}
			one.lots.seed = dice(r.seed, ofWire, uint64(n), way).Uint64()
			one.dice = rand.New(&one.lots)
			return one
		}
		r.wires[n] = wires{w(0, signalling, r.plan.sip), w(1, signalling, r.plan.sip), w(2, audio, r.plan.rtp), w(3, audio, r.plan.rtp)}
	}
}

// awaitEnds waits until each call that was answered has its end record.
func (r *round) awaitEnds() {
	for range int(longestEnd / time.Second) {
		if r.log.ended() >= r.answered() {
			return
		}
		time.Sleep(time.Second)
	}
	r.broken(endsInTime, "%d calls were accepted, %d have ended %v after the last caller was gone", r.answered(), r.log.ended(), longestEnd)
}

func (r *round) answered() (n int) {
	for _, p := range r.phones {
		p.mu.Lock()
		if p.invite.accepted > 0 {
			n++
		}
		p.mu.Unlock()
	}
	return n
}

// leave ends the telephones.
func (r *round) leave() {
	for _, p := range r.phones {
		close(p.quit)
	}
	time.Sleep(time.Second)
	synctest.Wait()
	if left := leftovers(); left != "" {
		r.broken(nothingLeft, "goroutines go on:\n%s", left)
		if r.plant.left == nil { // the bubble cannot end now, so this is the last word
			fmt.Fprintln(os.Stderr, r)
		}
	}
	if r.plant.left != nil {
		r.plant.left(r)
	}
}

// wall is the clock on the wall, which jumps.
func (r *round) wall() time.Time {
	now := time.Now()
	for _, j := range r.plan.jumps {
		if now.Sub(r.began) >= j.at {
			now = now.Add(j.by)
		}
	}
	return now
}

func configOf(n *network) config.Config {
	c := config.Default()
	c.SIP.Listen = []uas.Listen{{Network: "udp", Address: program.String()}}
	c.SIP.Peers = []uas.Peer{
		{Name: "phones", Addresses: []string{"192.0.2.0/24"}, Identity: "from"},
		{Name: "trunk", Addresses: []string{"198.51.100.0/24"}},
	}
	c.Media.Listen = n.listenRTP
	c.Media.PortMin, c.Media.PortMax = 40000, 40014
	c.Store.SQLite.Rehearsal, c.OneTime.Rehearsal = true, true
	c.Store.SQLite.Cost.Memory, c.Store.SQLite.Cost.Passes = 8, 1
	c.Plan = dialplan.Default()
	return c
}

// migrated fills a data folder with databases that hold no mailbox.
var migrated = stage.Folder(func(dir string) error {
	s, err := app.OpenStores(context.Background(), configOf(newNetwork()), dir)
	if err != nil {
		return err
	}
	return s.Close()
})

// tempRoot is in memory where the system has such a place: a round commits often.
func tempRoot() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func furnished(t *testing.T) string {
	dir, err := os.MkdirTemp(tempRoot(), "star97-sim-")
	if err == nil {
		err = migrated(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
