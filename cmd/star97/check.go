package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/flow"
	"star97/internal/strictyaml"
)

func checkCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the dialplan and the prompts",
		Long: "Reads what serve would read and starts nothing. Prints every problem with file,\n" +
			"line and remedy; exit code 1 if there is any.",
		Example: "  star97 check --config /etc/star97/star97.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			problems := check(file)
			out := cmd.OutOrStdout()
			if asJSON {
				if problems == nil {
					problems = []strictyaml.Problem{}
				}
				if err := printJSON(out, problems); err != nil {
					return err
				}
			} else {
				printProblems(out, problems)
			}
			switch {
			case len(problems) == 1:
				return failed("1 problem found")
			case len(problems) > 0:
				return failed("%d problems found", len(problems))
			case !asJSON:
				fmt.Fprintln(out, "No problem found.")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); none: the built-in defaults")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the problems as JSON")
	return cmd
}

// check gathers the problems of the configuration and, as far as it could be
// read, of what it names.
func check(file string) []strictyaml.Problem {
	c, problems := config.Load(file)
	_, more := app.LoadVoice(c)
	if problems = append(problems, more...); len(problems) > 0 {
		return problems
	}
	if _, err := flow.NewLayout(c.Plan, c.Policy.Policy); err != nil {
		return []strictyaml.Problem{{File: file, Text: err.Error() + "."}}
	}
	return nil
}
