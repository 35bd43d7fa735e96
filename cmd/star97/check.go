package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/strictyaml"
)

func checkCommand() *cobra.Command {
	var file string
	var asJSON, show bool
	var ask imagined
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the dialplan and the prompts",
		Long: "Reads what serve would read and starts nothing. Prints every problem with file,\n" +
			"line and remedy; exit code 1 if there is any. A warning is about what works and is\n" +
			"perhaps not meant. With --print it prints every option with the value in force, as\n" +
			"a configuration file, if there is no problem.\n\n" +
			explainLong,
		Example: "  star97 check --config /etc/star97/star97.yaml\n  star97 check --print > star97.yaml\n" +
			explainExample,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			switch asked, err := ask.complete(cmd.Flags()); {
			case err != nil:
				return err
			case asked:
				return ask.answer(out, file, asJSON)
			}
			c, problems := check(file)
			if asJSON {
				if err := printJSON(out, findings(file, problems, c)); err != nil {
					return err
				}
			} else {
				printProblems(out, problems)
				printWarnings(cmd.ErrOrStderr(), c)
			}
			switch {
			case len(problems) == 1:
				return failed("1 problem found")
			case len(problems) > 0:
				return failed("%d problems found", len(problems))
			case show:
				return printConfig(out, c)
			case !asJSON:
				fmt.Fprintln(out, "No problem found.")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); none: the built-in defaults")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the problems, or what --explain tells, as JSON")
	cmd.Flags().BoolVar(&show, "print", false, "print the configuration in force, defaults included, as YAML")
	ask.flags(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("json", "print")
	cmd.MarkFlagsMutuallyExclusive("explain", "print")
	return cmd
}

// check gathers the problems of the configuration and, as far as it could be
// read, of what it names.
func check(file string) (config.Config, []strictyaml.Problem) {
	c, problems := config.Load(file)
	voice, more := app.LoadVoice(c)
	if problems = append(problems, more...); len(problems) > 0 {
		return c, problems
	}
	layouts, err := app.Layouts(c)
	if err != nil {
		return c, []strictyaml.Problem{{File: file, Text: err.Error() + "."}}
	}
	return c, app.Unspoken(c, voice, layouts)
}

// finding is a problem, or a warning.
type finding struct {
	strictyaml.Problem
	Warning bool `json:"warning,omitempty"`
}

func findings(file string, problems []strictyaml.Problem, c config.Config) []finding {
	all := []finding{}
	for _, p := range problems {
		all = append(all, finding{Problem: p})
	}
	for _, w := range c.Warnings() {
		w.File = cmp.Or(w.File, file)
		all = append(all, finding{w, true})
	}
	return all
}

func printWarnings(w io.Writer, c config.Config) {
	for _, one := range c.Warnings() {
		fmt.Fprintln(w, "warning: "+one.Error())
	}
}

func printConfig(w io.Writer, c config.Config) error {
	text, err := c.YAML()
	if err != nil {
		return failed("the configuration cannot be printed: %w", err)
	}
	_, err = w.Write(text)
	return err
}
