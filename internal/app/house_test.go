package app

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt/ear"
	"star97/internal/script/stage"
	"star97/internal/sqlkit/sqlkittest"
	"star97/internal/strictyaml"
	"star97/internal/uas"
)

// Tests run side by side, since calls wait more than they compute; the number of
// calls up at a time is what the machine has to bear.
const testsAtOnce = "200"

// lines holds a token per call up.
var lines = make(chan struct{}, callsAtOnce)

// apart is the time between the starts of two calls: the work of a start must not
// make all other calls late.
const apart = 60 * time.Millisecond

var (
	starts    sync.Mutex
	lastStart time.Time
)

// breather is how long at most a call waits while those that are up take all the time
// that this process gets.
const breather = time.Second

// occupy waits for a free line; the returned function frees it again.
func occupy() (free func()) {
	lines <- struct{}{}
	starts.Lock()
	defer starts.Unlock()
	callertest.Calm(breather)
	time.Sleep(time.Until(lastStart.Add(apart)))
	lastStart = time.Now()
	return sync.OnceFunc(func() { <-lines })
}

func TestMain(m *testing.M) {
	goFirst()
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", testsAtOnce)
	}
	goleak.VerifyTestMain(sqlkittest.Main{M: m})
}

// sounds are the recordings and the ear that knows them, made once.
var sounds = sync.OnceValues(func() (Voice, *ear.Ear) {
	voice, problems := LoadVoice(config.Default())
	if len(problems) > 0 {
		panic(problems[0])
	}
	return voice, ear.Of(voice.catalogue, "en-US")
})

// scaled are the default timers, shorter. please_wait stays: it must be longer than
// the beat of the any door, and a line check long enough to hear what it tells.
func scaled() dialplan.Timers {
	t := dialplan.Default().Timers
	t.Transfer, t.LineCheck, t.OneTime = 5*time.Second, 25*time.Second, 4*time.Second
	t.FirstDigit, t.BetweenDigits, t.Menu, t.Cleared = 1500*time.Millisecond, 2*time.Second, 1500*time.Millisecond, 4*time.Second
	return t
}

// code as a caller would type it.
func code(t testing.TB, digits string) pin.PIN {
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}

// house is the whole service in this process, with stores whose faults a test orders.
type house struct {
	t         testing.TB
	config    config.Config
	data      string // folder
	stores    *Stores
	faults    stage.Answers
	post      stage.Post // one-time codes go here
	log       *journal
	addr      string // of SIP over UDP, the first that it listens on
	leave     context.CancelFunc
	listening []uas.Bound
	ended     chan struct{}
	failed    error
	once      sync.Once

	service *service
	reloads chan os.Signal
	next    func() (config.Config, []strictyaml.Problem) // what the next reload reads
}

// ports gives each house RTP ports of its own, below those that the system hands out
// and those of the tests of cmd/star97. They begin anywhere, so that two runs of these
// tests seldom meet.
var ports atomic.Uint32

const (
	lowestPort = 10000
	portRange  = 10000
	portPairs  = 4 // of one house
)

var firstPair = rand.Uint32N(portRange / 2)

// reserve sets port pairs aside that nobody has.
func reserve(pairs int) (first, last uint16) {
	for {
		end := (firstPair + ports.Add(uint32(pairs))) % (portRange / 2)
		if int(end) < pairs { // not in a row
			continue
		}
		first, last = lowestPort+2*uint16(int(end)-pairs), lowestPort+2*uint16(end)-2
		if allFree(first, last+1) {
			return first, last
		}
	}
}

func allFree(first, last uint16) bool {
	for port := first; port <= last; port++ {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}

// rehearsed is the store with hashes that cost nothing: what they cost is for the tests
// of the store, and calls beside each other must not wait for them.
func rehearsed() backend.Options {
	o := config.Default().Store
	o.SQLite.Rehearsal, o.SQLite.Cost = true, sqldb.Cost{Memory: 64, Passes: 1, Threads: 1}
	return o
}

// newHouse is a house whose configuration a test has not altered.
func newHouse(t testing.TB) *house { return openHouse(t, func(*config.Config) {}) }

// seams are where a test steps into a house.
type seams struct {
	over   func(backend mailbox.Store) mailbox.Store                                  // what the lock-out asks, in place of it; nil: it
	listen func(ctx context.Context, network, address string) (uas.PacketConn, error) // for SIP; nil: a socket of the system

	oneTime func(domain string) bool // whose mailboxes are opened by one-time codes; nil: as the stores say
}

// openHouse starts the service and stops it at the test's end.
func openHouse(t testing.TB, alter func(*config.Config)) *house {
	return openHouseWith(t, alter, seams{})
}

func openHouseWith(t testing.TB, alter func(*config.Config), with seams) *house {
	c := config.Default()
	c.SIP.Listen = []uas.Listen{{Network: "udp", Address: "127.0.0.1:0"}}
	c.Media.PortMin, c.Media.PortMax = reserve(portPairs)
	c.Store = rehearsed()
	c.OneTime.Rehearsal = true
	c.Plan = dialplan.Default()
	c.Plan.Timers = scaled()
	alter(&c)
	h := &house{t: t, config: c, data: furnished(t), log: &journal{more: make(chan struct{})}, ended: make(chan struct{}), reloads: make(chan os.Signal, 1)}
	h.stores = openSeams(t, c, h.data, &h.faults, with, &h.post)
	ctx, leave := context.WithCancel(context.Background())
	h.leave = leave
	ready := make(chan Ready, 1)
	voice, _ := sounds()
	h.service = newService(c, h.stores, Options{
		Voice: voice, Log: slog.New(h.log), Ready: func(r Ready) error { ready <- r; return nil },
		Reload: h.reloads, Load: func() (config.Config, []strictyaml.Problem) { return h.next() }, ListenPacket: with.listen,
	})
	go func() {
		defer close(h.ended)
		h.failed = h.service.serve(ctx)
	}()
	t.Cleanup(func() {
		h.stop()
		require.NoError(t, h.stores.Close())
	})
	select {
	case r := <-ready:
		h.listening, h.addr = r.Listening, r.Listening[0].Addr.String()
	case <-h.ended:
		require.NoError(t, h.failed)
		t.FailNow()
	}
	return h
}

// stop drains and stops the service; every change in flight has ended then.
func (h *house) stop() {
	h.once.Do(func() {
		h.leave()
		<-h.ended
		require.NoError(h.t, h.failed)
	})
}

// openFaulty is OpenStores with the faults, and what a test has put there, between
// lock-out and backend.
func openFaulty(t testing.TB, c config.Config, dir string, f *stage.Answers, over func(mailbox.Store) mailbox.Store) *Stores {
	return openSeams(t, c, dir, f, seams{over: over}, new(stage.Post))
}

func openSeams(t testing.TB, c config.Config, dir string, f *stage.Answers, with seams, post *stage.Post) *Stores {
	s, err := OpenWith(t.Context(), c, dir, Seams{Carrier: post, OneTime: with.oneTime, Wrap: func(backend mailbox.Store) mailbox.Store {
		if backend = f.Asked(settled(stage.Answering(backend))); with.over != nil {
			return with.over(backend)
		}
		return backend
	}})
	require.NoError(t, err)
	return s
}

// migrated fills a data folder with databases that hold no mailbox.
var migrated = stage.Folder(func(dir string) error {
	s, err := OpenStores(context.Background(), config.Default(), dir)
	if err != nil {
		return err
	}
	return s.Close()
})

func furnished(t testing.TB) string {
	dir := t.TempDir()
	require.NoError(t, migrated(dir))
	return dir
}

// add makes a mailbox; without digits it has no code.
func (h *house) add(extension, digits string, flags mailbox.Flags) mailbox.Account {
	var p pin.PIN
	if digits != "" {
		p = code(h.t, digits)
	}
	a, err := h.stores.Add(h.t.Context(), mailbox.Account{Extension: extension, Flags: flags}, p, "test")
	require.NoError(h.t, err)
	return a
}

// inForce tells whether a code is a mailbox's, past every layer and fault.
func (h *house) inForce(a mailbox.Account, digits string) bool {
	err := h.stores.Backend.Verify(h.t.Context(), a, code(h.t, digits), mailbox.Attempt{})
	if err != nil {
		require.ErrorIs(h.t, err, mailbox.WrongPIN)
	}
	return err == nil
}

// phone is the options of a telephone that calls a number of the house.
func (h *house) phone(number, from string) caller.Options {
	_, known := sounds()
	return caller.Options{
		URI: fmt.Sprintf("sip:%s@%s", number, h.addr), From: from, Listen: "127.0.0.1", Ear: known,
		Press: caller.Press{Length: 60 * time.Millisecond, Gap: 60 * time.Millisecond},
	}
}

// dial calls and closes the call at the test's end.
func dial(t testing.TB, o caller.Options) *callertest.Phone {
	free := occupy()
	t.Cleanup(free)
	return callertest.Dial(t, o)
}

// journal keeps what the service logs.
type journal struct {
	mu      sync.Mutex
	records []map[string]string
	more    chan struct{} // closed and replaced at each record
	trapped string        // the call whose next warning panics
}

// trap makes the next warning about a call a program error.
func (j *journal) trap(callID string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.trapped = callID
}

// message is the key of a record's text.
const message = "msg"

func (*journal) Enabled(context.Context, slog.Level) bool   { return true }
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler { return noted{j, attrs} }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	one := map[string]string{message: r.Message}
	r.Attrs(func(a slog.Attr) bool { one[a.Key] = a.Value.String(); return true })
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.Level == slog.LevelWarn && j.trapped != "" && one["call"] == j.trapped {
		panic(errTrap)
	}
	j.records = append(j.records, one)
	close(j.more)
	j.more = make(chan struct{})
	return nil
}

// noted is a journal under a logger with attributes.
type noted struct {
	*journal
	attrs []slog.Attr
}

func (n noted) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(n.attrs...)
	return n.journal.Handle(ctx, r)
}

// await returns the first record that suits, within a bound.
func (j *journal) await(suits func(map[string]string) bool, within time.Duration) (map[string]string, bool) {
	over := time.After(within)
	for seen := 0; ; {
		j.mu.Lock()
		fresh, more := j.records[seen:], j.more
		seen = len(j.records)
		j.mu.Unlock()
		for _, r := range fresh {
			if suits(r) {
				return r, true
			}
		}
		select {
		case <-more:
		case <-over:
			return nil, false
		}
	}
}

// end is the end record of a call.
func (j *journal) end(callID string, within time.Duration) (map[string]string, bool) {
	return j.await(func(r map[string]string) bool { return r[message] == "call ended" && r["call"] == callID }, within)
}

// String is every record, for a test that fails.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, r := range j.records {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}
