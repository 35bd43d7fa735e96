package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"star97/internal/pin"
)

// tally counts what the rules say of many codes. It holds no code.
type tally struct {
	Codes    int     `json:"codes"`
	Accepted int     `json:"accepted"`
	Refused  int     `json:"refused"`
	Percent  float64 `json:"refused_percent"`
	Rules    []count `json:"rules"`
}

// count is of one rule.
type count struct {
	Rule        pin.Rule `json:"rule"`
	Breaking    int      `json:"breaking"` // codes, whatever other rules they break
	Percent     float64  `json:"breaking_percent"`
	Said        int      `json:"said"` // codes of which it is the reason that a caller hears
	SaidPercent float64  `json:"said_percent"`
}

func (j *judge) report() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Count how many of the codes on standard input each rule refuses",
		Long: "Reads one code a line and counts: for each rule the codes that break it, and those\n" +
			"of which it is the first reason, the one that a caller would hear. It stores no code and\n" +
			"shows none. Lines that hold anything but digits count as " + string(notDigits) + ".\n\n" +
			"Exit code: 0 they were counted, 2 they could not be read.",
		Example: "  star97 code report --preset strong < codes.txt\n" +
			"  seq -w 0 999999 | star97 code report --extension 4001",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rules, about, err := j.complete(cmd)
			if err != nil {
				return err
			}
			t := newTally()
			err = eachCode(cmd, func(_ int, code pin.PIN, broken pin.Rule) error {
				all := []pin.Rule{broken}
				if broken == pin.Pass {
					all = rules.Broken(code, about)
				}
				t.add(all)
				return nil
			})
			if err != nil {
				return exitError{2, err}
			}
			t.finish()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), t)
			}
			return t.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the counts as JSON")
	return cmd
}

// newTally has every rule in the order of checking, but for history: the codes
// that it looks for are not known here.
func newTally() *tally {
	t := &tally{Rules: []count{{Rule: notDigits}}}
	for _, id := range pin.Rules() {
		if id != pin.InHistory {
			t.Rules = append(t.Rules, count{Rule: id})
		}
	}
	return t
}

// add counts one code and the rules that it breaks, the first of them the one that is said.
func (t *tally) add(broken []pin.Rule) {
	t.Codes++
	if len(broken) == 0 {
		t.Accepted++
		return
	}
	t.Refused++
	for i := range t.Rules {
		one := &t.Rules[i]
		if one.Rule == broken[0] {
			one.Said++
		}
		for _, id := range broken {
			if one.Rule == id {
				one.Breaking++
			}
		}
	}
}

func (t *tally) finish() {
	percent := func(n int) float64 { return 100 * float64(n) / float64(t.Codes) }
	t.Percent = percent(t.Refused)
	for i := range t.Rules {
		one := &t.Rules[i]
		one.Percent, one.SaidPercent = percent(one.Breaking), percent(one.Said)
	}
}

func (t *tally) print(w io.Writer) error {
	fmt.Fprintf(w, "%d codes: %d accepted, %d refused (%.2f %%)\n\n", t.Codes, t.Accepted, t.Refused, t.Percent)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "break the rule\t\thear it as reason\t\trule\t")
	for _, one := range t.Rules {
		fmt.Fprintf(table, "%d\t%.2f %%\t%d\t%.2f %%\t%s\t\n", one.Breaking, one.Percent, one.Said, one.SaidPercent, one.Rule)
	}
	return table.Flush()
}
