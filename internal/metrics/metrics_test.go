package metrics

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func words() Words {
	return Words{
		Ends: []string{"goodbye", "hung-up"}, Doors: []string{"own", "any"}, Transports: []string{"udp", "tcp"},
		Sources: []string{"event", "info"}, KeyFaults: []string{"late"}, Operations: []string{"verify", "change"}, Answers: []string{"ok", "wrong-pin"},
		Outcomes: []string{"done", "refused", "unknown"}, Rules: []string{"sequence"}, Refusals: []string{"stranger"}, Version: "1.2.3",
	}
}

// series are the lines of an answer that begin with star97_, by name and labels.
func series(t testing.TB, m *Metrics) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	all := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(line, "star97_") {
			all[name] = value
		}
	}
	return all
}

func TestACallIsCountedUnderItsWords(t *testing.T) {
	m := New(words())
	m.Allow(Names{Peers: []string{"pbx"}, Languages: []string{"en-US"}})
	for range 2 {
		m.CallEnded(Call{
			End: "goodbye", Door: "own", Language: "en-US", Transport: "udp", Peer: "pbx", Lasted: 12 * time.Second,
			Sources: []string{"event", "info"}, Repeated: true, LostKeys: 1,
			PacketsIn: 600, PacketsOut: 610, LostIn: 2, LostOut: 4, Dropped: 5, Jitter: 3 * time.Millisecond,
			RoundTrip: 5 * time.Millisecond, KeyFaults: []string{"late"},
		})
	}
	m.CallEnded(Call{End: "hung-up", PacketsIn: 10, LostIn: 500, Jitter: time.Second, Thinned: true})
	s := series(t, m)
	for name, want := range map[string]string{
		`star97_calls_total{door="own",end="goodbye",language="en-US",peer="pbx",transport="udp"}`: "2",
		`star97_call_seconds_bucket{door="own",le="10"}`:                                           "0",
		`star97_call_seconds_bucket{door="own",le="20"}`:                                           "2",
		`star97_call_seconds_sum{door="own"}`:                                                      "24",
		`star97_key_calls_total{source="event"}`:                                                   "2",
		`star97_key_calls_total{source="info"}`:                                                    "2",
		`star97_key_repeat_calls_total`:                                                            "2",
		`star97_keys_lost_total`:                                                                   "2",
		`star97_rtp_packets_total{direction="in"}`:                                                 "1210",
		`star97_rtp_packets_total{direction="out"}`:                                                "1220",
		`star97_rtp_lost_total{direction="in"}`:                                                    "4",
		`star97_rtp_lost_total{direction="out"}`:                                                   "8",
		`star97_rtp_dropped_total`:                                                                 "10",
		`star97_rtp_thinned_calls_total`:                                                           "1",
		`star97_rtp_jitter_seconds_count`:                                                          "2",
		`star97_rtp_round_trip_seconds_bucket{le="0.004"}`:                                         "0",
		`star97_rtp_round_trip_seconds_bucket{le="0.008"}`:                                         "2",
		`star97_key_fault_calls_total{fault="late"}`:                                               "2",
		`star97_build_info{version="1.2.3"}`:                                                       "1",
	} {
		require.Equal(t, want, s[name], name)
	}
}

func TestEachCountHasItsSeries(t *testing.T) {
	m := New(words())
	m.Allow(Names{Backends: []string{"sqlite"}})
	m.Answered(3 * time.Millisecond)
	m.FirstPacket(time.Millisecond)
	m.PacketLate(300 * time.Microsecond)
	m.Refused("stranger")
	m.StoreAnswered("verify", "sqlite", "wrong-pin", 80*time.Millisecond)
	m.Changed("done", "")
	m.Changed("refused", "wrong-pin")
	m.CodeRefused("sequence")
	m.LockedOut("own")
	m.Unrecorded()
	m.Reloaded(true)
	m.Reloaded(false)
	m.Gauge("star97_calls_in_progress", "Calls that are up.", func() float64 { return 7 })
	s := series(t, m)
	for name, want := range map[string]string{
		`star97_answer_seconds_bucket{le="0.002"}`:                                         "0",
		`star97_answer_seconds_bucket{le="0.004"}`:                                         "1",
		`star97_first_packet_seconds_count`:                                                "1",
		`star97_pacing_late_seconds_bucket{le="0.0005"}`:                                   "1",
		`star97_refusals_total{reason="stranger"}`:                                         "1",
		`star97_store_answers_total{backend="sqlite",code="wrong-pin",operation="verify"}`: "1",
		`star97_store_seconds_bucket{backend="sqlite",operation="verify",le="0.1"}`:        "1",
		`star97_store_seconds_bucket{backend="sqlite",operation="verify",le="0.05"}`:       "0",
		`star97_changes_total{outcome="done",reason="none"}`:                               "1",
		`star97_changes_total{outcome="refused",reason="wrong-pin"}`:                       "1",
		`star97_new_codes_refused_total{rule="sequence"}`:                                  "1",
		`star97_lockouts_total{door="own"}`:                                                "1",
		`star97_audit_errors_total`:                                                        "1",
		`star97_reloads_total{result="ok"}`:                                                "1",
		`star97_reloads_total{result="failed"}`:                                            "1",
		`star97_calls_in_progress`:                                                         "7",
	} {
		require.Equal(t, want, s[name], name)
	}
}

// An alert on the first of something must see the step from 0 to 1.
func TestSeriesStandAt0FromTheStart(t *testing.T) {
	s := series(t, New(words()))
	for _, name := range []string{
		`star97_changes_total{outcome="done",reason="none"}`, `star97_changes_total{outcome="unknown",reason="none"}`,
		`star97_lockouts_total{door="any"}`, `star97_refusals_total{reason="stranger"}`, `star97_reloads_total{result="failed"}`,
		`star97_audit_errors_total`, `star97_new_codes_refused_total{rule="sequence"}`, `star97_keys_lost_total`,
	} {
		require.Equal(t, "0", s[name], name)
	}
}

// Whatever comes in as a word, the number of series stays what the lists allow.
func TestWordsOfNoListMakeNoSeries(t *testing.T) {
	m := New(words())
	feed := func(word string) {
		m.CallEnded(Call{End: word, Door: word, Language: word, Transport: word, Peer: word, Sources: []string{word}, KeyFaults: []string{word}})
		m.StoreAnswered(word, word, word, 0)
		m.Changed(word, word)
		m.CodeRefused(word)
		m.LockedOut(word)
		m.Refused(word)
	}
	feed("first")
	n := len(series(t, m))
	for i := range 100 {
		feed(fmt.Sprintf("\"stranger\n%d\xff", i))
	}
	s := series(t, m)
	require.Len(t, s, n)
	require.Equal(t, "101", s[`star97_calls_total{door="other",end="other",language="other",peer="other",transport="other"}`])
	require.Equal(t, "101", s[`star97_refusals_total{reason="other"}`])
	for name := range s {
		require.NotContains(t, name, "stranger\\n")
		require.NotContains(t, name, "first\"")
	}
}

func TestNamesOfFormerConfigurationsStayAndAreBounded(t *testing.T) {
	m := New(words())
	m.Allow(Names{Peers: []string{"old"}})
	for i := range 2 * namesMost {
		m.Allow(Names{Peers: []string{fmt.Sprint("peer-", i)}})
	}
	m.CallEnded(Call{Peer: "old"})
	m.CallEnded(Call{Peer: fmt.Sprint("peer-", 2*namesMost-1)})
	s := series(t, m)
	require.Equal(t, "1", s[`star97_calls_total{door="other",end="other",language="other",peer="old",transport="other"}`])
	require.Equal(t, "1", s[`star97_calls_total{door="other",end="other",language="other",peer="other",transport="other"}`])
	require.Len(t, m.named.Load().peers, namesMost)
}

// What is asked for at each scrape leaves nothing behind when it is gone.
func TestRegistrationsAreShownAsTheyStand(t *testing.T) {
	m := New(Words{Failures: []string{"password"}})
	m.Allow(Names{Registrations: []string{"account"}})
	stand := []Registration{{Name: "account", Registered: true, Left: 90 * time.Second, Failed: 3}, {Name: "lost", Left: -time.Second}}
	m.Registrations(func() []Registration { return stand })
	m.RegistrationFailed("account", "password")
	m.RegistrationFailed("a stranger's word", "another")
	s := series(t, m)
	for name, want := range map[string]string{
		`star97_registration_registered{registration="account"}`:                       "1",
		`star97_registration_expires_seconds{registration="account"}`:                  "90",
		`star97_registration_failed_tries{registration="account"}`:                     "3",
		`star97_registration_failed_tries{registration="lost"}`:                        "0",
		`star97_registration_registered{registration="lost"}`:                          "0",
		`star97_registration_expires_seconds{registration="lost"}`:                     "0",
		`star97_registration_failures_total{reason="password",registration="account"}`: "1",
		`star97_registration_failures_total{reason="other",registration="other"}`:      "1",
	} {
		require.Equal(t, want, s[name], name)
	}
	stand = nil
	require.NotContains(t, series(t, m), `star97_registration_registered{registration="account"}`)
}

func TestANilMetricsCountsNothing(t *testing.T) {
	var m *Metrics
	m.Allow(Names{})
	m.CallEnded(Call{})
	m.Answered(0)
	m.FirstPacket(0)
	m.PacketLate(0)
	m.Refused("")
	m.StoreAnswered("", "", "", 0)
	m.Changed("", "")
	m.CodeRefused("")
	m.LockedOut("")
	m.Unrecorded()
	m.Reloaded(true)
	m.RegistrationFailed("", "")
}

// hot are the counts that are made for each packet or may be made for each message
// of a flood.
func hot(m *Metrics) map[string]func() {
	return map[string]func(){
		"packet late": func() { m.PacketLate(170 * time.Microsecond) },
		"refused":     func() { m.Refused("stranger") },
		"answered":    func() { m.Answered(time.Millisecond) },
	}
}

func TestHotPathsAllocateNothing(t *testing.T) {
	for name, count := range hot(New(words())) {
		require.Zero(t, testing.AllocsPerRun(1000, count), name)
	}
}

func BenchmarkCount(b *testing.B) {
	for name, count := range hot(New(words())) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				count()
			}
		})
	}
}

// The README names each metric of the program, and no other.
func TestTheReadmeNamesTheMetrics(t *testing.T) {
	named := func(pattern string, files ...string) []string {
		var all []string
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
				all = append(all, m[1])
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	made := named(`"(star97_\w+)"`, "metrics.go", "registrations.go", filepath.Join("..", "app", "app.go"))
	require.Greater(t, len(made), 20)
	require.Equal(t, made, named(`\b(star97_[a-z]\w+)`, filepath.Join("..", "..", "README.md")))
}
