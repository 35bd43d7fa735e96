package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/backend"
	"star97/internal/backend/webhook"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func backendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "List the voicemail systems star97 works with, prove an installation",
		Example: "  star97 backend list\n" +
			"  star97 backend test --config star97.yaml --extension 4001 < code.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(backendList(), backendTest(), backendWebhookAPI())
	return cmd
}

func backendWebhookAPI() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "webhook-api", Short: "Print what a web service for driver webhook has to do (OpenAPI 3.1)", Args: cobra.NoArgs,
		Example: "  star97 backend webhook-api > webhook.yaml\n  star97 backend webhook-api --json > webhook.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printYAML(cmd.OutOrStdout(), []byte(webhook.Contract()), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of YAML")
	return cmd
}

// driverView is a driver's traits as programs read them.
type driverView struct {
	Driver     string            `json:"driver"`
	System     string            `json:"system"`
	Verifies   mailbox.Check     `json:"verifies"`
	Proves     mailbox.Proof     `json:"proves"`
	Rules      bool              `json:"reads_rules"`
	Flags      bool              `json:"reads_flags"`
	Limit      int               `json:"locks_after,omitempty"`
	Window     float64           `json:"remembers_seconds,omitempty"`
	Can        []mailbox.Ability `json:"can"`
	FirstUse   bool              `json:"first_use"` // whether an owner may choose the first code
	AtRest     string            `json:"at_rest"`
	Unverified []string          `json:"unverified,omitempty"`
}

func backendList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show what each driver can do", Args: cobra.NoArgs,
		Long: "VERIFIES is how the current code is checked: native, the system says yes or no;\n" +
			"compare, it hands out the code in clear; none, it has no way, and verify: names\n" +
			"who has. PROVES is what a caller's \"changed\" rests on. With first-use a route's\n" +
			"first_use may let owners choose their first code.",
		Example: "  star97 backend list\n  star97 backend list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []driverView
			for _, name := range backend.Names() {
				t, err := backend.Declared(name)
				if err != nil {
					return err
				}
				all = append(all, driverView{name, t.System, t.Check, t.Proof, t.Rules, t.Flags, t.Limit, t.Window.Seconds(), t.Can, t.FirstUse, t.AtRest, t.Unverified})
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printDrivers(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printDrivers(w io.Writer, all []driverView) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DRIVER\tSYSTEM\tVERIFIES\tPROVES\tREADS\tCAN ALSO\tKEEPS CODES AS")
	for _, d := range all {
		var reads []string
		if d.Rules {
			reads = append(reads, "rules")
		}
		if d.Flags {
			reads = append(reads, "states")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Driver, d.System, d.Verifies, d.Proves,
			dash(strings.Join(reads, " ")), dash(joined(d.alsoCan())), dash(d.AtRest))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, d := range all {
		for _, u := range d.Unverified {
			fmt.Fprintf(w, "\n%s, not tried on a real system: %s", d.Driver, u)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (d *driverView) alsoCan() []mailbox.Ability {
	if d.FirstUse {
		return append(slices.Clone(d.Can), "first-use")
	}
	return d.Can
}

func joined(abilities []mailbox.Ability) string {
	words := make([]string, len(abilities))
	for i, a := range abilities {
		words[i] = string(a)
	}
	return strings.Join(words, " ")
}

// trialView is one step of backend test as programs read it.
type trialView struct {
	Step    string  `json:"step"`
	OK      bool    `json:"ok"`
	Text    string  `json:"text,omitempty"`
	Error   string  `json:"error,omitempty"`
	Reason  string  `json:"reason,omitempty"` // the closed word of the error
	Seconds float64 `json:"seconds"`
}

func backendTest() *cobra.Command {
	m := new(mailboxes)
	var extension string
	var verify, change bool
	cmd := &cobra.Command{
		Use: "test", Short: "Prove an installation before its first caller does", Args: cobra.NoArgs,
		Long: "Reaches every store of the configuration. With --extension it finds the mailbox and\n" +
			"reads its states and rules; with --verify it checks the code on the first line of\n" +
			"standard input, as a call would (a wrong one counts); with --change it sets the\n" +
			"code of the second line. Without --change nothing is changed, and without either\n" +
			"nothing is made in the data folder. At a terminal codes are asked for and not shown.",
		Example: "  star97 backend test --config star97.yaml\n" +
			"  star97 backend test --config star97.yaml --extension 4001 --verify < code.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (verify || change) && extension == "" {
				return fmt.Errorf("--verify and --change are about a mailbox: name it with --extension")
			}
			t := app.Trial{Domain: m.domain, Extension: extension, By: actor()}
			codes := codeLines{in: cmd.InOrStdin(), notes: cmd.ErrOrStderr()}
			if err := codes.read(&t, verify || change, change); err != nil {
				return err
			}
			c, err := m.load()
			if cmd.Flags().Changed("data") && err == nil && m.there() != nil {
				err = failed("there is no data folder %s; name the service's with --data, or leave that out before its first start", m.data)
			}
			if err != nil {
				return err
			}
			t.Rules = c.Policy.Policy
			return m.prove(cmd, c, t)
		},
	}
	m.siteFlags(cmd.Flags())
	cmd.Flags().StringVar(&extension, "extension", "", "the mailbox to try")
	cmd.Flags().BoolVar(&verify, "verify", false, "check its code, read from standard input")
	cmd.Flags().BoolVar(&change, "change", false, "check its code, then set the next one of standard input")
	return cmd
}

// prove makes a trial. One that counts and changes nothing leaves nothing in the data folder,
// and neither does one whose mailbox nobody has.
func (m *mailboxes) prove(cmd *cobra.Command, c config.Config, t app.Trial) error {
	whole := func(s *app.Stores, _ config.Config) error { return m.try(cmd, s, t) }
	if t.Code == nil {
		return m.looked(cmd.Context(), c, whole)
	}
	if app.Makes(c, m.data) {
		bare := t
		bare.Code, bare.Next = nil, nil
		err := m.looked(cmd.Context(), c, func(s *app.Stores, _ config.Config) error {
			if s.Try(cmd.Context(), bare, func(app.Finding) {}) {
				return nil
			}
			return m.try(cmd, s, bare)
		})
		if err != nil {
			return err
		}
	}
	return m.opened(cmd.Context(), c, whole)
}

func (m *mailboxes) try(cmd *cobra.Command, s *app.Stores, t app.Trial) error {
	views := []trialView{}
	ok := s.Try(cmd.Context(), t, func(f app.Finding) {
		v := trialView{Step: f.Step, OK: f.Err == nil, Text: f.Text, Seconds: f.Took.Seconds()}
		if f.Err != nil {
			v.Error, v.Reason = plainly(f.Err), mailbox.CodeOf(f.Err).String()
		}
		views = append(views, v)
		if !m.json {
			v.print(cmd.OutOrStdout())
		}
	})
	if m.json {
		if err := printJSON(cmd.OutOrStdout(), views); err != nil {
			return err
		}
	}
	if !ok {
		return failed("a step failed: what it says has to be mended, or the code was mistyped")
	}
	return nil
}

func (v trialView) print(w io.Writer) {
	word, text := "ok", v.Text
	if !v.OK {
		word, text = "FAILED", v.Reason+": "+v.Error
	}
	took := time.Duration(v.Seconds * float64(time.Second)).Round(time.Millisecond)
	fmt.Fprintf(w, "%-7s %-7s %s (%v)\n", v.Step, word, text, took)
}

// codeLines reads a trial's codes, one a line, or asks for them at a terminal.
type codeLines struct {
	in    io.Reader
	notes io.Writer
	lines *bufio.Reader
}

func (c *codeLines) read(t *app.Trial, verify, change bool) error {
	for _, one := range []struct {
		wanted   bool
		question string
		code     **pin.PIN
	}{{verify, "Current access code: ", &t.Code}, {change, "New access code: ", &t.Next}} {
		if !one.wanted {
			continue
		}
		code, err := c.next(one.question)
		if err != nil {
			return exitError{1, err}
		}
		*one.code = &code
	}
	return nil
}

func (c *codeLines) next(question string) (pin.PIN, error) {
	if t, is := terminal(c.in); is {
		line, err := t.hidden(question, c.notes)
		if err != nil {
			return pin.PIN{}, err
		}
		defer clear(line)
		return parseCode(string(line))
	}
	if c.lines == nil {
		c.lines = bufio.NewReader(io.LimitReader(c.in, 2*maxCodeLine))
	}
	line, err := c.lines.ReadString('\n')
	if err != nil && err != io.EOF {
		return pin.PIN{}, fmt.Errorf("standard input cannot be read: %w", err)
	}
	return parseCode(strings.TrimRight(line, "\r\n"))
}
