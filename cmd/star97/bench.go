package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/caller"
	"star97/internal/dtmf"
	"star97/internal/pin"
	"star97/internal/prompt"
)

const benchLong = `Call a number many times at once and report what the telephones saw. The far end
may be any SIP service.

Modes:
  listen  all calls up, everything received is counted: pacing, gaps, losses
  keys    as listen, and keys interrupt what is said at random moments
  rate    calls set up and ended at a steady rate
  script  each caller plays a script, as "star97 call --script" does, and listens;
          it takes many times the processor time of the other modes

The first call goes ahead alone; when nobody answers it, there is no second one.
What comes by UDP has the kernel's time of arrival; a SIP message on a connection (TCP,
TLS) has that of its reading. A key is timed from the moment it goes down: to the last
packet of the sentence that it stops, to the first packet of the next one, and to the
first sample in that which can be heard. With --digits inband keys are tones; their packet
leaves as late as a telephone's does, 0 to 20 ms after the key-down. In a script the times
hold what the service does meanwhile, such as to check a code.

Once a second standard error tells how far the run is; with --json only if it is a
terminal. Ctrl-C hangs up all calls and reports what was measured until then; a
second one ends at once.

A call is complete when the far end did not end it before its measurement was over, no
packet was lost, late or double and there was no gap in the measurement: packets further
apart than the packet time and 20 ms, or none any more while the call lasts. A far end
that leaves frames out has no number missing, but a gap; so has one that sends nothing
between its sentences. The gaps of the set-up stand beside. The rate achieved is that
at which INVITEs left: in mode rate their number over the time asked for.

The generator tells how late it was itself (p99), and how much processor time the host
of this machine gave to others. Where that falsifies figures the report is "no verdict"
and says why:
  0.2 s given to others, 0.5 % of a run over 40 s: all figures
  its beat over 5 ms late: mode keys and script, whose keys go by it; mode rate by TCP
    or TLS, whose answers it may have read as late
  its beat over 20 ms late: mode listen and rate; its packets left in heaps, which is
    another load
  its INVITEs, or its reading of answers, over 20 ms late, or calls not placed as --calls
    were all in use: mode rate; that was not the rate
  gaps, but none longer than 20 ms and the latest beat: whose they were; not mode rate
  calls in which a key could not be pressed, packets of scripts it had no time to hear
Less than that, and in other modes, it is a warning: a late beat alters nothing of what
is received while calls listen. What only the far end can know, such as which of our
packets it lost, is unknown unless its RTCP tells. Run it on Linux, in another process
than the service, best on another machine.

At most 5000 calls at a time, for 24 hours.

Exit codes:
  0  measured, whatever was found
  1  this program could not do its part, or was interrupted
  2  the command line, the script or a file is wrong
  3  every call was refused; the SIP answers are told
  4  no answer, or nobody there`

const benchExamples = `  star97 bench sip:*97@127.0.0.1:5060 --calls 500 --pid $(pidof star97)
  star97 bench sip:*97@127.0.0.1:5060 --mode keys --users users.txt --rate 12 --json
  star97 bench sip:*97@127.0.0.1:5060 --mode keys --digits inband --every 1s
  star97 bench sip:*97@127.0.0.1:5060 --mode rate --rate 200 --hold 1s --calls 1000 --duration 20s
  star97 bench sip:*98@pbx.example --script greeting.txt --calls 20 --rounds 5
  star97 bench sip:*97@127.0.0.1 --script change --users users.txt --metrics http://127.0.0.1:9797/metrics
  star97 bench sips:*97@127.0.0.1:5061 --calls 500 --srtp required --ca-file ca.pem`

// benchFlags are what the command line says.
type benchFlags struct {
	caller.LoadOptions
	call                         callFlags // what a script needs, and what is said as for one call
	mode, users, metrics         string
	json, silent, callsWereGiven bool
}

func benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:     "bench URI",
		Short:   "Call a number many times at once and report what was received",
		Long:    benchLong,
		Example: benchExamples,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.URI, f.callsWereGiven = args[0], cmd.Flags().Changed("calls")
			if err := f.prepare(cmd); err != nil {
				return exitError{int(caller.BadScript), err}
			}
			return f.run(cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "mode", "", "listen, keys, rate or script (default listen; script with --script)")
	flags.IntVar(&f.Calls, "calls", 0, "calls at a time (default 100; mode script: 10)")
	flags.DurationVar(&f.Duration, "duration", 0, "of the measurement; script: no call begins later (default 1m0s)")
	flags.Float64Var(&f.Rate, "rate", 0, "calls set up a second (default 100)")
	flags.DurationVar(&f.Hold, "hold", 0, "rate: how long a call lasts (default 500ms)")
	flags.DurationVar(&f.LoadOptions.Answer, "answer", 0, "longest wait for an answer (default 10s)")
	flags.StringVar(&f.users, "users", "", "file with a line \"FROM CODE NEW\" for each caller, readable by you alone: CODE signs in, and is {old}\nin a script, NEW is {new}, FROM {ext}; both codes may be absent")
	flags.StringVar(&f.Keys, "keys", "", "keys: pressed in turn (default 9)")
	flags.DurationVar(&f.Every, "every", 0, "keys: mean time between keys (default 2s)")
	flags.DurationVar(&f.Settle, "settle", 0, "listen, keys: between signing in and the measurement (default 3s)")
	flags.StringVar(&f.call.road, "digits", "events", "how keys are sent: events (RFC 4733) or inband (tones); script: info, both and all, too")
	flags.StringVar(&f.call.script, "script", "", "script: file with the steps, - for standard input, or change (star97 call --help)")
	flags.StringVar(&f.call.codes, "codes", "", "script: file with lines like \"old: DIGITS\" for what the users' file leaves open")
	flags.IntVar(&f.Rounds, "rounds", 0, "script: calls of each caller, one after the other (default 1)")
	flags.DurationVar(&f.call.timeout, "timeout", time.Minute, "script: longest duration of a call")
	flags.StringVar(&f.call.language, "language", prompt.DefaultOptions().Language, "script: language whose sentences are recognised")
	flags.BoolVar(&f.silent, "silent", false, "callers that send no audio")
	flags.StringVar(&f.call.transport, "transport", "", "udp, tcp or tls (default: as the URI says, else udp)")
	flags.StringVar(&f.call.authorities, "ca-file", "", "CA certificates in PEM that the far end's is checked against (default: the system's)")
	flags.StringVar(&f.call.srtp, "srtp", "off", "protect the audio: off, offered or required")
	flags.StringVar(&f.LoadOptions.Listen, "listen", "", "local address")
	flags.IntVar(&f.PID, "pid", 0, "process whose CPU and memory are reported")
	flags.StringVar(&f.metrics, "metrics", "", "URL of the service's Prometheus page: what it counted meanwhile is reported")
	flags.Uint64Var(&f.Seed, "seed", 1, "keys: of the random moments")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// scriptCalls are the callers at a time of mode script, unless it is said.
const scriptCalls = 10

// prepare reads everything before anything is dialled.
func (f *benchFlags) prepare(cmd *cobra.Command) (err error) {
	for _, name := range []string{"calls", "duration", "rate", "hold", "answer", "every", "settle", "rounds"} {
		if given := cmd.Flags().Lookup(name); given.Changed && slices.Contains([]string{"0", "0s"}, given.Value.String()) {
			return fmt.Errorf("--%s is 0: leave it out for its default, or write more", name)
		}
	}
	switch {
	case f.mode == "" && f.call.script != "":
		f.Mode = caller.ScriptMode
	case f.mode == "":
		f.Mode = caller.Listen
	default:
		f.Mode = caller.LoadMode(f.mode)
	}
	if err := f.refuseUnused(cmd); err != nil {
		return err
	}
	if err := f.checkMetrics(); err != nil {
		return err
	}
	if f.silent {
		f.Talk = caller.Nothing
	}
	if f.Users, err = readUsers(cmd, f.users); err != nil {
		return err
	}
	c := &f.call
	c.URI = f.URI
	if f.Mode == caller.ScriptMode {
		err = f.prepareScript(cmd)
	} else if err = c.audio(); err == nil {
		err = c.secure()
	}
	if err != nil {
		return err
	}
	f.Transport, f.LoadOptions.TLS, f.LoadOptions.SRTP, f.Road = caller.Transport(c.transport), c.TLS, c.SRTP, c.Options.Keys
	if f.PID != 0 {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/stat", f.PID)); err != nil {
			return fmt.Errorf("there is no process %d; name the service's own with --pid, as $(pidof star97) does", f.PID)
		}
	}
	return f.LoadOptions.Validate()
}

// refuseUnused complains of a flag that changes nothing in the mode that was chosen: who
// gives it means another.
func (f *benchFlags) refuseUnused(cmd *cobra.Command) error {
	for _, of := range []struct {
		modes []string
		flags []string
	}{
		{[]string{"rate"}, []string{"hold"}},
		{[]string{"keys"}, []string{"keys", "every", "seed"}},
		{[]string{"listen", "keys"}, []string{"settle"}},
		{[]string{"script"}, []string{"script", "codes", "rounds", "timeout", "language"}},
	} {
		for _, name := range of.flags {
			if cmd.Flags().Changed(name) && !slices.Contains(of.modes, string(f.Mode)) {
				return fmt.Errorf("--%s is for --mode %s, not %s; leave it out, or choose that mode", name, strings.Join(of.modes, " or "), f.Mode)
			}
		}
	}
	return nil
}

func (f *benchFlags) prepareScript(cmd *cobra.Command) error {
	c := &f.call
	if c.script == "" {
		return errors.New("--mode script needs --script: a file, - for standard input, or change")
	}
	if !f.callsWereGiven {
		f.Calls = scriptCalls
	}
	var codes caller.Codes
	c.filled = func(read caller.Codes) filling {
		codes = read
		return func(name string) (string, bool) { // each caller has what the first one has not
			for _, u := range f.Users {
				if keys, ok := valueOf(u, codes, name); !ok {
					return keys, ok
				}
			}
			return valueOf(f.someone(), codes, name)
		}
	}
	play, err := c.player(cmd)
	if err != nil {
		return err
	}
	f.Ear, f.LoadOptions.Timeout, f.LoadOptions.Codecs = c.Ear, c.timeout, c.Codecs
	f.Play = func(ctx context.Context, p *caller.Player, u caller.User) error {
		p.Value = func(name string) (string, bool) { return valueOf(u, codes, name) }
		return play(ctx, p)
	}
	return nil
}

// someone is the first caller.
func (f *benchFlags) someone() caller.User {
	if len(f.Users) == 0 {
		return caller.User{}
	}
	return f.Users[0]
}

// valueOf is what a placeholder means for a caller: its own codes, else those of the codes
// file, and its number.
func valueOf(u caller.User, codes caller.Codes, name string) (keys string, ok bool) {
	own := pin.PIN{}
	switch name {
	case "old":
		own = u.Code
	case "new":
		own = u.New
	}
	if !own.Empty() {
		own.Reveal(func(digits []byte) { keys = string(digits) })
		return keys, true
	}
	if keys, ok = codes.Value(name); ok || name != "ext" {
		return keys, ok
	}
	for i := range len(u.From) {
		if _, isKey := dtmf.DigitOf(u.From[i]); !isKey {
			return "", false
		}
	}
	return u.From, u.From != ""
}

// readUsers reads "FROM CODE NEW" lines. Its errors quote no code.
func readUsers(cmd *cobra.Command, name string) (users []caller.User, err error) {
	if name == "" {
		return nil, nil
	}
	data, err := readPrivate(cmd, "users file", name)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(data), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		user := caller.User{From: words[0]}
		for n, code := range []*pin.PIN{&user.Code, &user.New} {
			if len(words) > n+1 && err == nil {
				*code, err = pin.Parse(words[n+1])
			}
		}
		if err != nil || len(words) > 3 {
			return nil, fmt.Errorf("%s:%d: write \"FROM CODE NEW\", the codes in digits, or FROM alone", name, i+1)
		}
		users = append(users, user)
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("%s names no caller; write a line \"FROM CODE NEW\" for each", name)
	}
	return users, nil
}
