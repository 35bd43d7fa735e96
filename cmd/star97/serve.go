package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/strictyaml"
)

func serveCommand() *cobra.Command {
	var s site
	var example bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer calls until stopped",
		Long: "Answers calls until SIGTERM or Ctrl-C. Then new calls are refused with 503 and\n" +
			"those in progress may finish. SIGHUP has the configuration read again. Without\n" +
			"--config it listens on 127.0.0.1 only.",
		Example: "  star97 serve\n  star97 serve --config /etc/star97/star97.yaml --data /var/lib/star97",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, voice, problems := check(s.config)
			if err := failing(problems); err != nil {
				return err
			}
			return serve(cmd, c, voice, s, example)
		},
	}
	cmd.Flags().StringVar(&s.config, "config", "", "configuration file (YAML); none: the built-in defaults")
	cmd.Flags().StringVar(&s.data, "data", defaultData, "folder for the databases and the pepper")
	cmd.Flags().BoolVar(&example, "example", false, "make example mailboxes if there are none, and show how to call them")
	return cmd
}

func serve(cmd *cobra.Command, c config.Config, voice app.Voice, s site, example bool) (err error) {
	ctx := cmd.Context()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP) // also while starting and draining, when nobody takes it: it ends no calls
	log, level := newLogger(cmd.ErrOrStderr(), c.Log)
	stores, err := app.OpenWith(ctx, c, s.data, app.Seams{Log: log})
	if err != nil {
		return exitError{1, err}
	}
	defer func() {
		if closing := stores.Close(); err == nil && closing != nil {
			err = exitError{1, closing}
		}
	}()
	signal.Ignore(syscall.SIGPIPE) // calls go on when nobody reads the log any more
	spareRoom()
	spareMemory()
	o := app.Options{
		Data: s.data, Version: version, Recordings: voice, Log: log, Level: level, Reload: reload,
		Ready: func(r app.Ready) error {
			announce(cmd.OutOrStdout(), r, c, s.data)
			if !example {
				return nil
			}
			made, err := stores.MakeExamples(ctx, c)
			explain(cmd.OutOrStdout(), r, s.data, made)
			return err
		},
	}
	if s.config != "" {
		o.Load = func() (config.Config, []strictyaml.Problem) { return readable(s.config) }
	}
	if err = app.Serve(ctx, c, stores, o); err != nil {
		return exitError{1, err}
	}
	return nil
}

// spareRoom lets Go run twice as many goroutines at a time as there are cores. A
// thread that computes the hash of a code gives way in the kernel, but keeps its
// place in Go's scheduler: with one place a core, packets would wait for it all the
// same. Called after the stores have counted the cores; the environment's
// GOMAXPROCS comes first.
func spareRoom() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// spareMemory has garbage collected when it is half of what is in use, where Go would wait
// for as much again: recordings and calls that last make none, but count. At 200 calls set
// up a second that takes a seventh off the memory, and adds three hundredths to the
// processor time of a set-up; calls that are up notice nothing. The environment's GOGC
// comes first.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// announce prints the one ready line.
func announce(w io.Writer, r app.Ready, c config.Config, data string) {
	var at []string
	for _, b := range r.Listening {
		at = append(at, b.Network+" "+b.Addr.String())
	}
	page := ""
	if r.HTTP.IsValid() {
		page = fmt.Sprintf(", metrics on http://%s/metrics", r.HTTP)
	}
	fmt.Fprintf(w, "ready: star97 %s answers %s on %s%s, media by %s, data in %s\n", version, numbers(c), strings.Join(at, ", "), page, r.Media, data)
}

// explain shows what to try with the example mailboxes.
func explain(w io.Writer, r app.Ready, data string, made []app.Example) {
	if len(made) == 0 {
		fmt.Fprintf(w, "\nMailboxes exist already; their codes are not shown again. For a new one:\n"+
			"  %s mailbox set-code 4001 --generate --data %s\n", os.Args[0], data)
	} else {
		fmt.Fprintln(w, "\nExample mailboxes (these codes are shown this once):")
	}
	for _, m := range made {
		m.Code.Reveal(func(digits []byte) {
			fmt.Fprintf(w, "  extension %s   access code %s   %s\n", m.Account.Extension, digits, m.Account.Name)
		})
	}
	target := r.Listening[0].Addr.String()
	fmt.Fprintf(w, "\nDial *97 from a phone whose user is 4001, or *98 from any phone, at %s.\n", target)
	fmt.Fprintf(w, "Or from a second terminal, with the code from above and one of your choice:\n"+
		"  printf 'old: CODE\\nnew: 739164\\n' > codes.txt && chmod 600 codes.txt\n"+
		"  %s call 'sip:*97@%s' --from 4001 --script change --codes codes.txt\n\n"+
		"Ctrl-C stops the service.\n", os.Args[0], target)
}

func numbers(c config.Config) string {
	var all []string
	for _, r := range c.Plan.Routes {
		all = append(all, r.Number)
	}
	return strings.Join(all, " ")
}
