package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"star97/dialplans"
	"star97/internal/dialplan"
)

func dialplanCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "dialplan [LAYOUT]",
		Short: "Print the built-in dialplan, or one of its layouts, with every option explained",
		Long: "The built-in dialplan is in force where the configuration names no other, and is a\n" +
			"file to begin with: name yours as dialplan in the configuration. With the name of a\n" +
			"layout it prints that one, to copy from: as a whole it belongs under layouts and a\n" +
			"name of its own.",
		Example: "  star97 dialplan > dialplan.yaml\n  star97 dialplan attendant",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := dialplans.Default
			if len(args) == 1 {
				var err error
				if text, err = dialplans.Layouts.ReadFile("layouts/" + args[0] + ".yaml"); err != nil {
					return failed("there is no layout %q; use one of %s", args[0], strings.Join(shippedLayouts(), ", "))
				}
			}
			return printYAML(cmd.OutOrStdout(), text, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, without the explanations")
	return cmd
}

func shippedLayouts() []string { return slices.Sorted(maps.Keys(dialplan.Default().Layouts)) }
