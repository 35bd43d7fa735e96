package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/caller"
	"star97/internal/codec"
	"star97/internal/dialplan"
	"star97/internal/pemfile"
	"star97/internal/prompt"
	"star97/internal/prompt/ear"
	"star97/internal/script"
	"star97/internal/sdp"
	"star97/internal/secret"
	"star97/internal/strictyaml"
	"star97/prompts"
)

const callLong = `Call a voicemail number, press keys and tell what was heard.

Sentences are recognised in the received audio itself: the server's word is not
taken for anything. The time line goes to standard output, one line or, with
--json, one object per event. It never shows which keys were pressed.

A script has one step a line:
  hear ID...        wait until these sentences were heard to their end, such as
                    welcome or enter-code; an unknown name is answered with the known ones
  hear-not ID...    none of these was heard so far
  press KEYS        0-9 * # A-D; {old} {new} {other} {wrong} {ext} {one-time} of the
                    codes file; {chosen}: the code that the service chose and spelled
  wait DURATION     do nothing; silence DURATION: and nothing may be said meanwhile
  hangup            hang up
  end WORD          wait for the far end to hang up; WORD, such as goodbye, is for the
                    reader: no telephone is told why

--script change is built in: it signs in with {old} (and {ext}, where the
extension is asked for), sets {new} and waits for the confirmation.

Exit codes:
  0  the script ran to its end
  1  this program could not do its part (a file, a port)
  2  the command line, the script or the codes file is wrong
  3  the call was refused; the SIP answer is told
  4  no answer, or nobody there
  5  an expected sentence was not heard, or a wrong one was
  6  the far end hung up early
  7  no audio came
  8  --timeout ran out`

const callExamples = `  star97 call sip:*97@127.0.0.1:5060 --from 4001 --script change --codes codes.txt
  printf 'hear enter-code\npress {old}#\nhear option-change-2\n' | star97 call sip:*97@127.0.0.1 --from 4001 --script - --codes codes.txt
  star97 call sip:9700@pbx.example --transport tcp --script greeting.txt --json --record greeting.wav
  star97 call sips:*97@pbx.example --srtp required --ca-file ca.pem --from 4001 --script change --codes codes.txt
  star97 call sip:*97@sip.example --user 4001 --password-file password.txt --script change --codes codes.txt`

// filling gives the keys of a placeholder of a script.
type filling func(name string) (keys string, ok bool)

// callFlags are what the command line says.
type callFlags struct {
	script, codes, record, transport, language string
	srtp, authorities                          string
	proof                                      string // file with the password
	road, codec                                string
	json, info                                 bool
	timeout                                    time.Duration
	sentences                                  []prompt.ID                // of the language
	filled                                     func(caller.Codes) filling // nil: the codes file fills in placeholders
	words                                      func(prompt.ID) string
	caller.Options
}

func callCommand() *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:     "call URI --script FILE|-|change",
		Short:   "Call a voicemail number, press keys and tell what was heard",
		Long:    callLong,
		Example: callExamples,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.URI = args[0]
			return f.run(cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.script, "script", "", "file with the steps, - for standard input, or change")
	flags.StringVar(&f.codes, "codes", "", "file with lines like \"old: DIGITS\", for {old} in a script; readable by you alone")
	flags.StringVar(&f.From, "from", "caller", "who calls: a user name, or a whole SIP URI")
	flags.StringVar(&f.PAI, "pai", "", "URI for P-Asserted-Identity")
	flags.StringVar(&f.User, "user", "", "answer challenges as this user (digest authentication)")
	flags.StringVar(&f.proof, "password-file", "", "file that holds the user's password, readable by you alone")
	flags.StringVar(&f.transport, "transport", "", "udp, tcp or tls (default: as the URI says, else udp)")
	flags.StringVar(&f.authorities, "ca-file", "", "CA certificates in PEM that the far end's is checked against (default: the system's)")
	flags.StringVar(&f.srtp, "srtp", "off", "protect the audio: off, offered or required")
	flags.StringVar(&f.road, "digits", "events", "how keys are sent: events (RFC 4733), info (SIP INFO), both, inband (tones) or all")
	flags.BoolVar(&f.info, "info", false, "the same as --digits info")
	flags.StringVar(&f.codec, "codec", "", "codecs to offer, best first: of pcmu, pcma and g722 (default \"pcmu,pcma\")")
	flags.BoolVar(&f.Delayed, "delayed-offer", false, "send the INVITE without a session description")
	flags.StringVar(&f.Listen, "listen", "", "local address, with or without port (default: the one that leads to the far end)")
	flags.StringVar(&f.record, "record", "", "write what was received to this WAV file")
	flags.StringVar(&f.language, "language", prompt.DefaultOptions().Language, "language whose sentences are recognised")
	flags.BoolVar(&f.json, "json", false, "one JSON object per event")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "longest duration of the whole call")
	_ = cmd.MarkFlagRequired("script") // fails only for a flag that does not exist
	cmd.MarkFlagsRequiredTogether("user", "password-file")
	cmd.MarkFlagsMutuallyExclusive("digits", "info")
	return cmd
}

func (f *callFlags) run(cmd *cobra.Command) error {
	play, err := f.player(cmd)
	if err != nil {
		return exitError{int(caller.BadScript), err}
	}
	ctx, stop := context.WithTimeout(cmd.Context(), f.timeout)
	defer stop()
	line := &caller.Timeline{W: cmd.OutOrStdout(), JSON: f.json, Words: f.words}
	recording, err := f.recording()
	if err != nil {
		return exitError{int(caller.Failed), err}
	}
	call, err := caller.Dial(ctx, f.Options)
	if err == nil {
		err = play(ctx, &caller.Player{Call: call, Timeline: line})
		err = errors.Join(err, f.leave(cmd.Context(), call, recording))
		tellQuality(line, call)
	}
	outcome := caller.OutcomeOf(err)
	switch {
	case outcome == caller.OutOfTime && cmd.Context().Err() != nil:
		outcome, err = caller.Failed, errors.New("interrupted")
	case outcome == caller.OutOfTime:
		err = fmt.Errorf("the call took longer than --timeout %v; give it more, or see in the time line what it waited for", f.timeout)
	}
	if err != nil {
		return exitError{int(outcome), err}
	}
	line.Say(time.Now(), "completed", "completed")
	return nil
}

// tellQuality adds what the audio of a call was like. Of our packets only the far end can
// tell; where it does not, that is unknown.
func tellQuality(line *caller.Timeline, call *caller.Call) {
	s := call.Media().Stats()
	far, trip := "lost by the far end: unknown", "unknown"
	if s.FarTold {
		far = fmt.Sprintf("%d lost by the far end", s.FarLost)
	}
	if s.Trips > 0 {
		trip = fmt.Sprintf("%.1f ms", inMilliseconds(s.RoundTrip))
	}
	line.Say(time.Now(), "quality", "audio in %s: %d packets received, %d lost, %d late, %d twice, jitter %.1f ms; %d sent, %s; round trip %s",
		call.Agreed().Codec, s.Received, s.Lost, s.Late, s.Twice, inMilliseconds(s.Jitter), s.Sent, far, trip)
}

func inMilliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// audio reads what is about codecs and the way of keys.
func (f *callFlags) audio() error {
	var known bool
	if f.Keys, known = caller.KeysOf(f.road); !known {
		return fmt.Errorf("--digits is %q; write events, info, both, inband or all", f.road)
	}
	if f.info {
		f.Keys = caller.Info
	}
	for name := range strings.SplitSeq(f.codec, ",") {
		id, known := codec.ByName(name, 8000)
		if !known && f.codec != "" || slices.Contains(f.Codecs, id) {
			return fmt.Errorf("--codec has %q; write one or more of pcmu, pcma and g722, each at most once, with commas", name)
		}
		if known {
			f.Codecs = append(f.Codecs, id)
		}
	}
	return nil
}

// secure reads what is about the protection of the call, and who makes it.
func (f *callFlags) secure() error {
	settings := []string{sdp.Plain: "off", sdp.Either: "offered", sdp.Required: "required"}
	i := slices.Index(settings, f.srtp)
	if i < 0 {
		return fmt.Errorf("--srtp is %q; write off, offered or required", f.srtp)
	}
	f.SRTP = sdp.Security(i)
	if f.proof != "" {
		password, err := secret.Source{File: f.proof}.Read()
		if err != nil {
			return fmt.Errorf("--password-file: %w", err)
		}
		f.Password = password
	}
	if f.authorities == "" {
		return nil
	}
	pool, err := pemfile.Authorities("--ca-file", f.authorities)
	f.TLS = &tls.Config{RootCAs: pool}
	return err
}

// player reads script and codes before anything is dialled.
func (f *callFlags) player(cmd *cobra.Command) (func(context.Context, *caller.Player) error, error) {
	f.Transport, f.Reports = caller.Transport(f.transport), true
	if err := f.secure(); err != nil {
		return nil, err
	}
	if err := f.audio(); err != nil {
		return nil, err
	}
	if f.timeout <= 0 {
		return nil, errors.New("--timeout must be more than 0s")
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	codes, err := readCodes(cmd, f.codes)
	if err != nil {
		return nil, err
	}
	value := filling(codes.Value)
	if f.filled != nil {
		value = f.filled(codes)
	}
	equip := func(p *caller.Player) {
		p.Timer = dialplan.Default().Timers.Named
		if p.Value == nil {
			p.Value = value
		}
	}
	if f.script == "change" {
		if err := f.listen(); err != nil {
			return nil, err
		}
		return func(ctx context.Context, p *caller.Player) error {
			equip(p)
			return p.Change(ctx)
		}, nil
	}
	lines, err := readScript(cmd, f.script)
	if err != nil {
		return nil, err
	}
	if err := f.listen(); err != nil {
		return nil, err
	}
	if err := f.possible(lines, value); err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *caller.Player) error {
		equip(p)
		return p.Run(ctx, lines)
	}, nil
}

// recording opens the file of --record before the call, which may be one that cannot be
// made again; nil: none is wanted. What it holds stays until there is something new.
func (f *callFlags) recording() (*os.File, error) {
	if f.record == "" {
		return nil, nil
	}
	file, err := os.OpenFile(f.record, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--record: %w; name a file that can be written", err)
	}
	return file, nil
}

// leave ends the call, if the script did not, and keeps the recording.
func (f *callFlags) leave(ctx context.Context, call *caller.Call, recording *os.File) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	_ = call.Hangup(ctx) // the outcome is known; a lost BYE does not change it
	call.Close()
	if recording == nil {
		return nil
	}
	_ = recording.Truncate(0) // a pipe has no length
	_, err := recording.Write(prompt.WriteWAV(prompt.Rate, call.Media().Recording()))
	if err = errors.Join(err, recording.Close()); err != nil {
		return fmt.Errorf("writing the recording: %w", err)
	}
	return nil
}

// listen makes an ear for a language of the program.
func (f *callFlags) listen() error {
	catalogue, problems := prompt.Load(prompts.FS)
	problems = append(problems, catalogue.Prepare(f.language)...)
	if len(problems) > 0 {
		return problems[0]
	}
	if len(catalogue.IDs(f.language)) == 0 {
		return fmt.Errorf("there is no language %q; there is %s", f.language, strings.Join(catalogue.Languages(), ", "))
	}
	f.sentences = catalogue.IDs(f.language)
	f.Ear = ear.Of(catalogue, f.language)
	f.words = func(id prompt.ID) string {
		a, ok := catalogue.Audio(f.language, id, prompt.Words{})
		if !ok {
			return ""
		}
		return a.Text()
	}
	return nil
}

func readCodes(cmd *cobra.Command, name string) (caller.Codes, error) {
	if name == "" {
		return caller.Codes{}, nil
	}
	data, err := readPrivate(cmd, "codes file", name)
	if err != nil {
		return caller.Codes{}, err
	}
	return caller.ReadCodes(name, data)
}

// readPrivate reads a file that holds codes, and warns when others can.
func readPrivate(cmd *cobra.Command, what, name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("the %s cannot be read: %w; check its name and mode", what, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		cmd.PrintErrf("warning: others can read %s; make it yours alone with: chmod 600 %s\n", name, name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("the %s cannot be read: %w; check its name and mode", what, err)
	}
	return data, nil
}

func readScript(cmd *cobra.Command, name string) ([]script.Line, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("the script cannot be read: %w; check its name and mode", err)
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, script.MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("the script cannot be read: %w; name the file itself", err)
	}
	lines, err := script.Parse(name, data)
	if err == nil && len(lines) == 0 {
		return nil, strictyaml.Problem{File: name, Text: "The script has no step.", Remedy: "Write one a line, such as: hear welcome."}
	}
	return lines, err
}
