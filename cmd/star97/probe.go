package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/mailbox"
	"star97/internal/probe"
)

// probing is what the probe commands work on.
type probing struct {
	site
	name, extension, domain string
	json                    bool
}

func probeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Teach star97 to check codes by calling the voicemail system",
		Long: "Where a system's interface cannot tell whether a code is right, a probe calls its\n" +
			"number, signs in, and listens. What it then hears it has to learn first.",
		Example: "  star97 probe learn --config star97.yaml --name pilot --extension 4001 < codes.txt\n" +
			"  star97 probe test --config star97.yaml --name pilot --extension 4001 < code.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(probeLearn(), probeTest())
	return cmd
}

// flags adds those that the commands share.
func (p *probing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.config, "config", "", "configuration file (YAML) that has the probe")
	f.StringVar(&p.name, "name", "", "name of the probe")
	f.StringVar(&p.extension, "extension", "", "the mailbox to call about")
	f.StringVar(&p.domain, "domain", "", "its tenant; empty: the default one")
	f.BoolVar(&p.json, "json", false, "print JSON")
	for _, name := range []string{"config", "name", "extension"} {
		_ = cmd.MarkFlagRequired(name) // fails for flags that are not there
	}
}

func (p *probing) options() (probe.Options, error) {
	c, err := p.load()
	if err != nil {
		return probe.Options{}, err
	}
	o, known := c.Probes[p.name]
	if !known {
		return o, failed("%s has no probe %q: it has %s", p.config, p.name, dash(strings.Join(slices.Sorted(maps.Keys(c.Probes)), ", ")))
	}
	return o, nil
}

// lessonView is what probe learn learned as programs read it.
type lessonView struct {
	File      string   `json:"file"`
	Sentences []string `json:"sentences"`
	Own       int      `json:"same_sentence_percent"`
	Foreign   int      `json:"other_sentence_percent"`
}

func probeLearn() *cobra.Command {
	p := new(probing)
	l := probe.Lesson{}
	cmd := &cobra.Command{
		Use: "learn", Short: "Call a mailbox with a right and a wrong code and learn what is said", Args: cobra.NoArgs,
		Long: "Standard input has the mailbox's code on its first line and a wrong one on its second;\n" +
			"at a terminal they are asked for and not shown. Take a mailbox of your own: the wrong\n" +
			"tries count, and the system may lock it. --locked names a mailbox that the system has\n" +
			"locked already; without it that one is locked is not recognised, and is an unknown\n" +
			"outcome.",
		Example: "  star97 probe learn --config star97.yaml --name pilot --extension 4001 < codes.txt\n" +
			"  star97 probe learn --config star97.yaml --name pilot --extension 4001 --locked 4009 < codes.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := p.options()
			if err != nil {
				return err
			}
			codes := codeLines{in: cmd.InOrStdin(), notes: cmd.ErrOrStderr()}
			l.Extension, l.Domain = p.extension, p.domain
			l.Tell = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
			learned, apart, err := learn(cmd, o, l, &codes)
			if err != nil {
				return exitError{1, err}
			}
			if err := learned.Write(o.Fingerprints); err != nil {
				return failed("the fingerprints cannot be written: %w; make the folder of %s writable", err, o.Fingerprints)
			}
			v := lessonView{o.Fingerprints, learned.Names(), apart.Own, apart.Foreign}
			if p.json {
				return printJSON(cmd.OutOrStdout(), v)
			}
			v.print(cmd.OutOrStdout(), o.Likeness)
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().IntVar(&l.Times, "times", 2, "calls for each answer, 2 to 5; more tell better what is always said")
	cmd.Flags().StringVar(&l.Locked, "locked", "", "a mailbox that the system has locked")
	return cmd
}

func learn(cmd *cobra.Command, o probe.Options, l probe.Lesson, codes *codeLines) (probe.Fingerprints, probe.Apart, error) {
	right, err := codes.next("Access code of the mailbox: ")
	if err != nil {
		return probe.Fingerprints{}, probe.Apart{}, err
	}
	wrong, err := codes.next("A wrong access code: ")
	if err != nil {
		return probe.Fingerprints{}, probe.Apart{}, err
	}
	l.Tell(fmt.Sprintf("The wrong code will be tried %d times, with the right one between. It counts: if the mailbox is locked, unlock it in the voicemail system.", l.Times))
	return probe.Learn(cmd.Context(), o, l, right, wrong)
}

func (v lessonView) print(w io.Writer, likeness int) {
	fmt.Fprintf(w, "%s: learned %s\nthe same sentence is at least %d percent alike, another one at most %d; recognised from %d\n",
		v.File, strings.Join(v.Sentences, ", "), v.Own, v.Foreign, likeness)
}

// answerView is what probe test heard as programs read it.
type answerView struct {
	Answer  string  `json:"answer"` // right, or the closed word of an error
	Detail  string  `json:"detail,omitempty"`
	Seconds float64 `json:"seconds"`
}

func probeTest() *cobra.Command {
	p := new(probing)
	cmd := &cobra.Command{
		Use: "test", Short: "Check one code as a call would", Args: cobra.NoArgs,
		Long: "The code is the first line of standard input; at a terminal it is asked for and not\n" +
			"shown. A wrong one counts in the voicemail system. Exit code 0 means that the code is\n" +
			"right.",
		Example: "  star97 probe test --config star97.yaml --name pilot --extension 4001 < code.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := p.options()
			if err != nil {
				return err
			}
			code, err := (&codeLines{in: cmd.InOrStdin(), notes: cmd.ErrOrStderr()}).next("Access code: ")
			if err != nil {
				return exitError{1, err}
			}
			asked, err := probe.Open(p.name, o)
			if err != nil {
				return exitError{1, err}
			}
			defer asked.Close()
			began := time.Now()
			err = asked.Verify(cmd.Context(), mailbox.Account{ID: p.extension, Extension: p.extension, Domain: p.domain}, code, mailbox.Attempt{})
			return p.tell(cmd, err, time.Since(began))
		},
	}
	p.flags(cmd)
	return cmd
}

func (p *probing) tell(cmd *cobra.Command, err error, took time.Duration) error {
	v := answerView{Answer: probe.Right, Seconds: took.Seconds()}
	if err != nil {
		v.Answer, v.Detail = mailbox.CodeOf(err).String(), plainly(err)
	}
	if p.json {
		if err := printJSON(cmd.OutOrStdout(), v); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%s (%v)\n", v.Answer, took.Round(time.Millisecond))
	}
	if err != nil {
		return exitError{1, err}
	}
	return nil
}
