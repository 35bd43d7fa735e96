package app

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/console"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/prompt"
	"star97/internal/strictyaml"
	"star97/internal/uas"
)

// reload has the house read what alter makes of a configuration like its own, and
// returns what the log then says.
func (h *house) reload(alter func(*config.Config) []strictyaml.Problem) map[string]string {
	h.t.Helper()
	h.log.mu.Lock()
	seen := len(h.log.records)
	h.log.mu.Unlock()
	h.next = func() (config.Config, []strictyaml.Problem) {
		c := h.config
		c.Plan = dialplan.Default()
		c.Plan.Timers = scaled()
		problems := alter(&c)
		return c, problems
	}
	h.reloads <- syscall.SIGHUP
	said, ok := h.log.await(func(r map[string]string) bool {
		seen--
		return seen < 0 && strings.Contains(r[message], "taken over")
	}, patience)
	require.True(h.t, ok, "%s", h.log)
	return said
}

// reads waits until a series of the house has a value.
func (h *house) reads(series, value string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		w := httptest.NewRecorder()
		h.service.count.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return strings.Contains(w.Body.String(), "\n"+series+" "+value+"\n")
	}, patience, 10*time.Millisecond, "%s %s", series, value)
}

func TestAReloadIsForTheCallsThatComeThen(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		h.add("4001", codes["old"], mailbox.Flags{})
		before := dial(t, h.phone("*97", "4001"))
		before.Hear(prompt.EnterCode)
		said := h.reload(func(c *config.Config) []strictyaml.Problem {
			c.Plan.Routes = []dialplan.Route{{Number: "*55", Door: mailbox.AnyDoor}}
			c.Policy.MinLen = 9
			c.SIP.Peers = []uas.Peer{{Name: "renamed", Addresses: c.SIP.Peers[0].Addresses, Identity: "from"}}
			c.SIP.Limits.Calls = 7
			return nil
		})
		require.Equal(t, "configuration taken over", said[message])
		require.Equal(t, "[sip.peers policy.min_length dialplan]", said["options"])
		require.Equal(t, "[*55]", said["numbers"])
		require.Contains(t, h.log.String(), "numbers:[*97 *98 9700 *99]", "those of the start")
		require.Contains(t, h.log.String(), "options:[sip.limits.calls]", "what waits for a restart is named")

		before.Press(codes["old"] + "#2" + codes["new"] + "#" + codes["new"] + "#")
		before.Hear(prompt.Changed) // six digits: the rules of before
		after := dial(t, h.phone("*55", "4001"))
		after.Hear(prompt.EnterExtension)
		for _, c := range []string{before.CallID(), after.CallID()} {
			if c == before.CallID() {
				before.Hangup()
			} else {
				after.Hangup()
			}
			_, ok := h.log.end(c, patience)
			require.True(t, ok)
		}
		first, _ := h.log.end(before.CallID(), 0)
		require.Equal(t, "this-machine", first["peer"])
		second, _ := h.log.end(after.CallID(), 0)
		require.Equal(t, "renamed", second["peer"])
		h.reads(`star97_reloads_total{result="ok"}`, "1")
		h.reads(`star97_calls_total{door="any",end="hung-up",language="en-US",peer="renamed",transport="udp"}`, "1")
		all := records(t, h.stores)
		require.Equal(t, rulesName(config.Default().Policy), all[len(all)-1].Policy, "the audit trail names the rules that the call was under")
	})
}

func TestAConfigurationWithAProblemChangesNothing(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		for what, alter := range map[string]func(*config.Config) []strictyaml.Problem{
			"a problem in the file": func(c *config.Config) []strictyaml.Problem {
				c.Plan.Routes = nil
				return []strictyaml.Problem{{File: "star97.yaml", Line: 7, Text: "There is no such file."}}
			},
			"recordings that are not there": func(c *config.Config) []strictyaml.Problem {
				c.Plan.Routes, c.Prompts.Folder = nil, t.TempDir()+"/none"
				return nil
			},
			"a store that is not open": func(c *config.Config) []strictyaml.Problem {
				c.Plan.Routes, c.Plan.Domains = nil, []dialplan.Domain{{Name: "north", Store: "north"}}
				return nil
			},
			"a limit that waits for a restart": func(c *config.Config) []strictyaml.Problem {
				c.Plan.Routes, c.Plan.Limits.WrongCodes, c.Lockout.CallTries = nil, 5, 5
				return nil
			},
		} {
			said := h.reload(alter)
			require.Contains(t, said[message], "not taken over", what)
			require.NotEmpty(t, said["problem"])
		}
		h.reads(`star97_reloads_total{result="failed"}`, "4")
		c := dial(t, h.phone("*98", "4001"))
		c.Hear(prompt.EnterExtension)
	})
}

// The stores forget codes by the rules that are in force, not by those of a configuration
// that the server has refused in the end.
func TestARefusedReloadForgetsNoCodeOfBefore(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		a := h.add("4001", codes["old"], mailbox.Flags{})
		change := func(from, to string) mailbox.Result {
			return h.stores.Trail.Change(t.Context(), a, code(t, from), code(t, to), atOwnDoor)
		}
		require.Equal(t, mailbox.Proved(), change(codes["old"], "605172"))
		said := h.reload(func(c *config.Config) []strictyaml.Problem {
			c.Policy.History = 0
			c.SIP.Peers = []uas.Peer{{Name: "pbx", Addresses: []string{"no address"}}}
			return nil
		})
		require.Contains(t, said[message], "not taken over")
		require.Equal(t, mailbox.InHistory, change("605172", codes["old"]).Reason)
	})
}

// Whoever reloads every minute for years has the memory of one configuration.
func TestAHundredReloadsUnderLoadLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := openHouse(t, func(c *config.Config) { c.Media.PortMin, c.Media.PortMax = reserve(8) })
		h.add("4001", codes["old"], mailbox.Flags{})
		over := make(chan struct{})
		var callers sync.WaitGroup
		for range 2 {
			callers.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					func() {
						defer occupy()() // for this call, not for the test
						c := callertest.Dial(t, h.phone("*97", "4001"))
						c.Hear(prompt.EnterCode)
						c.Hangup()
					}()
				}
			})
		}
		var plans []weak.Pointer[dialplan.Plan]
		for range 100 {
			said := h.reload(func(c *config.Config) []strictyaml.Problem {
				plans = append(plans, weak.Make(c.Plan))
				return nil
			})
			require.Equal(t, "configuration taken over", said[message])
		}
		close(over)
		callers.Wait()
		require.Eventually(t, func() bool { return h.service.server.Calls() == 0 }, patience, 10*time.Millisecond)
		h.next = nil
		require.Eventually(t, func() bool {
			runtime.GC()
			kept := 0
			for _, p := range plans {
				if p.Value() != nil {
					kept++
				}
			}
			return kept <= 1
		}, patience, 20*time.Millisecond, "only the plan in force is kept")
		h.reads(`star97_reloads_total{result="ok"}`, "100")
	})
}

func TestReadinessSaysWhatKeepsCallsAway(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		reasons := func(r *readiness) (words []string) {
			for _, one := range r.reasons(t.Context()) {
				require.NotEmpty(t, one.Text)
				words = append(words, one.Word)
			}
			return words
		}
		h := newHouse(t)
		require.Empty(t, reasons(h.service.health))
		require.Equal(t, []string{"starting"}, reasons(newReadiness(h.stores)))

		broken := newReadiness(h.stores)
		broken.server.Store(h.service.server)
		h.stop()
		require.Equal(t, []string{"draining"}, reasons(h.service.health)[:1], "what was well a moment ago is not asked again")
		require.NoError(t, h.stores.Ledger.Close())
		require.NoError(t, h.stores.Backend.Close())
		require.Subset(t, reasons(broken), []string{"store", "ledger"})
	})
}

func TestWithoutAFileThereIsNothingToReadAgain(t *testing.T) {
	s := newService(config.Default(), openStores(t, furnished(t)), Options{Log: slog.New(slog.DiscardHandler)})
	_, _, err := s.exchange()
	require.EqualError(t, err, "there is no configuration file to read again; start star97 with --config")
}

// A second star97 on a machine is not kept from its calls by a page that nobody asked
// for; an address that somebody chose has to be free.
func TestTheDefaultAddressMayBeTaken(t *testing.T) {
	log := &journal{more: make(chan struct{})}
	d := console.Deps{Log: slog.New(log), Metrics: http.NotFoundHandler()}
	taken, err := net.Listen("tcp", console.DefaultOptions().Listen)
	if err == nil {
		defer taken.Close()
	}
	c, err := openConsole(console.DefaultOptions(), d)
	require.NoError(t, err)
	require.Nil(t, c)
	require.Contains(t, log.String(), "perhaps another star97")

	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	_, err = openConsole(console.Options{Listen: other.Addr().String()}, d)
	require.ErrorIs(t, err, console.ErrTaken)
	c, err = openConsole(console.Options{}, d)
	require.NoError(t, err)
	require.Nil(t, c, "switched off")
}
