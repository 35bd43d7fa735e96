package main

import (
	"github.com/spf13/cobra"

	"star97/internal/dialplan"
	"star97/internal/flow"
)

func flowCommand() *cobra.Command {
	var format, layout string
	cmd := &cobra.Command{
		Use:     "flow",
		Short:   "Draw the call flow from the table that runs it",
		Example: "  star97 flow --format text\n  star97 flow --format svg > flow.svg",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flow.Draw(cmd.OutOrStdout(), layout, format)
		},
	}
	cmd.Flags().StringVar(&layout, "layout", dialplan.DefaultLayout, "a layout of the built-in dialplan")
	cmd.Flags().StringVar(&format, "format", "text", "svg, dot or text")
	return cmd
}
