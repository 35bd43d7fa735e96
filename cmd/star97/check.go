package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/strictyaml"
)

func checkCommand() *cobra.Command {
	var file, data string
	var asJSON, show, online bool
	var ask imagined
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the dialplan, the prompts and the data folder",
		Long: "Reads what serve would read, starts nothing and alters nothing. Prints every problem\n" +
			"with file, line and remedy; exit code 1 if there is any. A warning is about what works\n" +
			"and is perhaps not meant. Secrets, keys and certificates are read from their files and\n" +
			"variables, as serve does, so run it as serve's user. Once all of that is sound, it\n" +
			"looks at the databases and peppers of the data folder, also while a service uses them;\n" +
			"a folder that is not there may be made by the first start, and is looked for only where\n" +
			"--data names it. With --print it prints every option with the value in force, as a\n" +
			"configuration file, if there is no problem. With --online it also asks the DNS where\n" +
			"registrations lead.\n\n" +
			explainLong,
		Example: "  star97 check --config /etc/star97/star97.yaml --data /var/lib/star97\n  star97 check --print > star97.yaml\n" +
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
			c, _, problems := check(file)
			if len(problems) == 0 {
				problems = unusable(cmd.Context(), c, data, cmd.Flags().Changed("data"))
			}
			rolls, more := enrolments(c, file, online && len(problems) == 0)
			problems = append(problems, more...)
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
				printEnrolments(out, rolls)
				fmt.Fprintln(out, "No problem found.")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); none: the built-in defaults")
	cmd.Flags().StringVar(&data, "data", defaultData, "folder for the databases and the pepper, as serve's")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the problems, or what --explain tells, as JSON")
	cmd.Flags().BoolVar(&show, "print", false, "print the configuration in force, defaults included, as YAML")
	cmd.Flags().BoolVar(&online, "online", false, "look up where registrations lead")
	ask.flags(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("json", "print")
	cmd.MarkFlagsMutuallyExclusive("explain", "print")
	cmd.MarkFlagsMutuallyExclusive("explain", "online")
	return cmd
}

// check gathers the problems of the configuration and, once it has none, of the secrets,
// keys and authorities of this machine that it names. A service begins with it.
func check(file string) (config.Config, app.Voice, []strictyaml.Problem) {
	c, voice, problems := sound(file)
	if len(problems) == 0 {
		problems = c.Unreadable()
	}
	return c, voice, problems
}

// sound gathers the problems of the configuration and, as far as it could be read, of the
// dialplan and the recordings that it names.
func sound(file string) (config.Config, app.Voice, []strictyaml.Problem) {
	c, problems := config.Load(file)
	voice, more := app.LoadVoice(c)
	if problems = append(problems, more...); len(problems) > 0 {
		return c, voice, problems
	}
	layouts, err := app.Layouts(c)
	if err != nil {
		return c, voice, []strictyaml.Problem{{File: file, Text: err.Error() + "."}}
	}
	return c, voice, app.Unspoken(c, voice, layouts)
}

// unusable is why serve could not work on a data folder. One that is not there matters
// where somebody has named it.
func unusable(ctx context.Context, c config.Config, data string, named bool) []strictyaml.Problem {
	if _, err := os.Stat(data); !named && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := app.Usable(ctx, c, data); err != nil {
		return []strictyaml.Problem{{Text: err.Error() + "."}}
	}
	return nil
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
