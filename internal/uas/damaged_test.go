package uas

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// long says whether the tests are to take the time that CI has not.
func long() bool { return os.Getenv("STAR97_LONG") != "" }

// wholesome are the requests that are damaged: right, each of a transaction of its own.
func wholesome(rng *rand.Rand) string {
	methods := []string{"INVITE", "INVITE", "OPTIONS", "INFO", "BYE", "ACK", "CANCEL", "REGISTER", "REFER", "SUBSCRIBE", "NOTIFY", "UPDATE"}
	method := methods[rng.IntN(len(methods))]
	text := plain(method)
	body, kind := "", ""
	switch method {
	case "INVITE", "UPDATE":
		body, kind = offerText, "application/sdp"
	case "INFO":
		body, kind = "Signal=5\r\nDuration=160\r\n", "application/dtmf-relay"
	case "NOTIFY":
		body, kind = "SIP/2.0 200 OK\r\n", "message/sipfrag"
		text = strings.Replace(text, "Contact", "Event: refer\r\nSubscription-State: terminated\r\nContact", 1)
	case "REFER":
		text = strings.Replace(text, "Contact", "Refer-To: <sip:5000@example.org>\r\nContact", 1)
	}
	if body != "" {
		text = strings.Replace(text, "Content-Length: 0\r\n\r\n", "Content-Type: "+kind+"\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body, 1)
	}
	id := strconv.FormatUint(rng.Uint64(), 36)
	return strings.NewReplacer("CALLID", "damaged-"+id, "BRANCH", id, "tag=f1", "tag="+id).Replace(text)
}

// damage makes one to four things wrong.
func damage(rng *rand.Rand, text string) []byte {
	msg := []byte(text)
	for range 1 + rng.IntN(4) {
		msg = harms[rng.IntN(len(harms))](rng, msg)
		if len(msg) == 0 {
			return []byte("x")
		}
	}
	return msg[:min(len(msg), 60000)]
}

// piece is where a piece of a message begins and ends.
func piece(rng *rand.Rand, msg []byte, most int) (from, to int) {
	from = rng.IntN(len(msg))
	return from, min(len(msg), from+1+rng.IntN(most))
}

var harms = []func(*rand.Rand, []byte) []byte{
	func(rng *rand.Rand, m []byte) []byte { m[rng.IntN(len(m))] ^= 1 << rng.IntN(8); return m },
	func(rng *rand.Rand, m []byte) []byte { m[rng.IntN(len(m))] = byte(rng.Uint32()); return m },
	func(rng *rand.Rand, m []byte) []byte { a, b := piece(rng, m, 40); return append(m[:a:a], m[b:]...) },
	func(rng *rand.Rand, m []byte) []byte { return m[:rng.IntN(len(m))] },
	func(rng *rand.Rand, m []byte) []byte { // something where it does not belong
		junk := []string{"\r\n", "\n", "\r", "\x00", ";", ",", "\"", "<", ">", ":", "@", "%", "\\", "=", " ", "\t", "\r\n ", "99999999999999999999", "\xff\xfe", "sip:", "[::1", "z9hG4bK"}
		at := rng.IntN(len(m))
		return append(append(m[:at:at], junk[rng.IntN(len(junk))]...), m[at:]...)
	},
	func(rng *rand.Rand, m []byte) []byte { // a piece again, many times at worst
		a, b := piece(rng, m, 30)
		return append(append(m[:b:b], bytes.Repeat(m[a:b], rng.IntN(1+rng.IntN(300)))...), m[b:]...)
	},
	func(rng *rand.Rand, m []byte) []byte { // lines lost, doubled, in another order
		lines := bytes.SplitAfter(m, []byte("\n"))
		i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
		switch rng.IntN(3) {
		case 0:
			lines[i] = nil
		case 1:
			lines[i] = append(append([]byte(nil), lines[i]...), lines[j]...)
		default:
			lines[i], lines[j] = lines[j], lines[i]
		}
		return bytes.Join(lines, nil)
	},
	func(rng *rand.Rand, m []byte) []byte { // another length
		lengths := []string{"-1", "0", "1", "5", "99999", "4294967297", "1e3", "0x10", "", "7, 7", "18446744073709551616"}
		return bytes.Replace(m, []byte("Content-Length: "), []byte("Content-Length: "+lengths[rng.IntN(len(lengths))]), 1)
	},
	func(_ *rand.Rand, m []byte) []byte { return bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")) },
	func(rng *rand.Rand, m []byte) []byte { // half of this one, half of another
		other := []byte(wholesome(rng))
		return append(m[:len(m)/2:len(m)/2], other[len(other)/2:]...)
	},
}

// level is what a process holds.
type level struct {
	goroutines int
	heap       uint64 // bytes in use after a collection
	rss        uint64 // bytes, 0 where the system does not tell
}

func levelNow() level {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	l := level{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
		l.rss = pages * uint64(os.Getpagesize())
	}
	return l
}

func (l *level) String() string {
	return fmt.Sprintf("%d goroutines, heap %.1f MB, RSS %.1f MB", l.goroutines, float64(l.heap)/1e6, float64(l.rss)/1e6)
}

// fallsTo waits until the process holds no more than before, but for a margin.
func fallsTo(t testing.TB, before level, goroutines int, heap uint64) (after level) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stdout, 1)
		}
	})
	require.Eventually(t, func() bool {
		after = levelNow()
		return after.goroutines <= before.goroutines+goroutines && after.heap <= before.heap+heap
	}, 15*time.Second, 100*time.Millisecond, "before: %v; now: %v", &before, &after)
	return after
}

// damages sends damaged messages, and counts what comes back.
type damages struct {
	t      *testing.T
	h      *house
	rng    *rand.Rand
	mu     sync.Mutex
	status map[string]int
	closed int // connections that the server ended before all was sent
}

func (d *damages) heard(network, start string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	word := strings.Fields(start + " - -")[1]
	d.status[network+" "+word]++
}

// udp sends n messages, and after each fifty makes sure that the server is alive.
func (d *damages) udp(n int) {
	conn, err := net.Dial("udp", d.h.at(0))
	require.NoError(d.t, err)
	var reader sync.WaitGroup
	reader.Go(func() {
		b := make([]byte, 65536)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			line, _, _ := bytes.Cut(b[:n], []byte("\r\n"))
			d.heard("udp", string(line))
		}
	})
	alive := d.h.udp(d.t)
	for i := range n {
		_, err := conn.Write(damage(d.rng, strings.ReplaceAll(wholesome(d.rng), "127.0.0.1:9", conn.LocalAddr().String())))
		require.NoError(d.t, err)
		if i%50 == 49 {
			alive.send("OPTIONS", "", "")
			alive.expect(200)
		}
	}
	require.NoError(d.t, conn.Close())
	reader.Wait()
}

// tcp sends n damaged messages among right ones, four by a connection, in segments of any
// size, and hears each connection to its end.
func (d *damages) tcp(n int) {
	for n > 0 {
		conn, err := net.Dial("tcp", d.h.at(1))
		require.NoError(d.t, err)
		var reader sync.WaitGroup
		reader.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			text, err := io.ReadAll(conn)
			require.NotErrorIs(d.t, err, os.ErrDeadlineExceeded, "the server lets go of it")
			for line := range strings.SplitSeq(string(text), "\r\n") {
				if strings.HasPrefix(line, "SIP/2.0 ") {
					d.heard("tcp", line)
				}
			}
		})
		var all []byte
		for range 4 {
			all = append(all, wholesome(d.rng)...)
			all = append(all, damage(d.rng, wholesome(d.rng))...)
			n--
		}
		for len(all) > 0 && err == nil {
			_, most := 0, []int{1, 7, 100, 5000}[d.rng.IntN(4)]
			size := min(len(all), 1+d.rng.IntN(most))
			_, err = conn.Write(all[:size])
			all = all[size:]
		}
		if err != nil {
			d.closed++
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		reader.Wait()
		_ = conn.Close()
	}
}

// Nothing that comes in pieces, bent or mixed up does harm: the server answers others at
// once, a call goes on, and what was held for it is let go.
func TestDamagedMessages(t *testing.T) {
	count := 5000
	if long() {
		count = 100000
	}
	h := newHouse(t, setting{
		options: func(o *Options) {
			o.T1, o.T2 = 10*time.Millisecond, 80*time.Millisecond
			o.Limits.Rate, o.Limits.Burst, o.Limits.Calls, o.Limits.Unacknowledged = 1000000, 1000000, 100, 50
		},
	})
	p := h.udp(t)
	c := begun(t, h, p)
	before := levelNow()
	d := &damages{t: t, h: h, rng: rand.New(rand.NewPCG(4475, 5118)), status: map[string]int{}}
	begin, worst := time.Now(), level{}
	for sent := 0; sent < count; sent += 1000 {
		d.udp(600)
		d.tcp(400)
		c.hearsNext(p)
		if l := levelNow(); l.heap > worst.heap {
			worst = l
		}
		for len(h.calls.calls) > 0 {
			<-h.calls.calls
		}
		log := h.log.cut()
		require.NotContains(t, log, "please report it", "a program error")
	}
	took := time.Since(begin)
	h.dialogs.each(func(o *dialog) {
		if o.arrival.CallID != p.callID {
			o.abandon()
		}
	})
	soon(t, func() bool { return h.Calls() == 1 })
	after := fallsTo(t, before, 4, 4<<20)
	c.hearsNext(p)
	p.send("BYE", "", "")
	p.expect(200)
	t.Logf("%d damaged messages in %v: answers %v, %d connections ended early\nbefore: %v\nworst:  %v\nafter:  %v",
		count, took.Round(time.Millisecond), d.status, d.closed, &before, &worst, &after)
}
