package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"star97/internal/caller"
	"star97/internal/pin"
)

const benchLong = `Call a number many times at once and report what the telephones saw.

Modes:
  listen  all calls up, everything received is counted: pacing, gaps, losses
  keys    as listen, and keys interrupt what is said at random moments
  rate    calls set up and ended at a steady rate

Arrival times are the kernel's. The generator tells how late it was itself; a
warning says when that, or CPU time stolen by the host, makes a run no verdict.
Run it on Linux, in another process than the service.`

const benchExamples = `  star97 bench sip:*97@127.0.0.1:5060 --mode listen --calls 500 --duration 60s --pid $(pidof star97)
  star97 bench sip:*97@127.0.0.1:5060 --mode keys --calls 100 --users users.txt --json
  star97 bench sip:*97@127.0.0.1:5060 --mode rate --rate 200 --hold 1s --calls 1000 --duration 20s`

func benchCommand() *cobra.Command {
	var o caller.LoadOptions
	var mode, users, transport string
	var asJSON, silent bool
	cmd := &cobra.Command{
		Use:     "bench URI --mode listen|keys|rate",
		Short:   "Call a number many times at once and report what was received",
		Long:    benchLong,
		Example: benchExamples,
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.URI, o.Mode, o.Transport = args[0], caller.LoadMode(mode), caller.Transport(transport)
			if silent {
				o.Talk = caller.Nothing
			}
			var err error
			if o.Users, err = readUsers(users); err != nil {
				return exitError{2, err}
			}
			return bench(cmd, o, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&mode, "mode", string(caller.Listen), "listen, keys or rate")
	flags.IntVar(&o.Calls, "calls", 100, "calls at a time")
	flags.DurationVar(&o.Duration, "duration", 0, "of the measurement (default 60s)")
	flags.Float64Var(&o.Rate, "rate", 100, "calls set up a second")
	flags.DurationVar(&o.Hold, "hold", 0, "rate mode: how long a call lasts (default 500ms)")
	flags.StringVar(&users, "users", "", "file with a line \"FROM CODE\" for each caller; CODE may be absent")
	flags.StringVar(&o.Keys, "keys", "9", "keys mode: pressed in turn")
	flags.DurationVar(&o.Every, "every", 0, "keys mode: mean time between keys (default 2s)")
	flags.DurationVar(&o.Settle, "settle", 0, "between signing in and the measurement (default 3s)")
	flags.BoolVar(&silent, "silent", false, "callers that send no audio")
	flags.StringVar(&transport, "transport", "", "udp or tcp (default: as the URI says, else udp)")
	flags.StringVar(&o.Listen, "listen", "", "local address")
	flags.IntVar(&o.PID, "pid", 0, "process whose CPU and memory are reported")
	flags.Uint64Var(&o.Seed, "seed", 1, "of the random moments")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func bench(cmd *cobra.Command, o caller.LoadOptions, asJSON bool) error {
	report, err := caller.Load(cmd.Context(), o)
	switch {
	case errors.Is(err, caller.ErrOptions):
		return exitError{2, err}
	case err != nil:
		return exitError{1, err}
	case asJSON:
		return printJSON(cmd.OutOrStdout(), report)
	}
	return report.Table(cmd.OutOrStdout())
}

// readUsers reads "FROM CODE" lines. Its errors quote no code.
func readUsers(name string) (users []caller.User, err error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(data), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		user := caller.User{From: words[0]}
		if len(words) == 2 {
			user.Code, err = pin.Parse(words[1])
		}
		if err != nil || len(words) > 2 {
			return nil, fmt.Errorf("%s:%d: write \"FROM CODE\", the code in digits, or FROM alone", name, i+1)
		}
		users = append(users, user)
	}
	return users, nil
}
