package main

import (
	"github.com/spf13/cobra"

	"star97/internal/dialplan"
	"star97/internal/flow"
)

func flowCommand() *cobra.Command {
	var format, layout string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "flow",
		Short:   "Draw the call flow from the table that runs it",
		Example: "  star97 flow --format text\n  star97 flow --format svg > flow.svg\n  star97 flow --layout unity --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				format = flow.FormatJSON
			}
			return flow.Draw(cmd.OutOrStdout(), layout, format)
		},
	}
	cmd.Flags().StringVar(&layout, "layout", dialplan.DefaultLayout, "a layout of the built-in dialplan")
	cmd.Flags().StringVar(&format, "format", "text", "svg, dot, text or json")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json")
	cmd.MarkFlagsMutuallyExclusive("format", "json")
	return cmd
}
