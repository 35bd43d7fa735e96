package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"star97/internal/backend"
	"star97/internal/config"
)

func initCommand() *cobra.Command {
	var output, driver string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration file to begin with",
		Long: "Writes every option with its explanation and its default, commented out: the file\n" +
			"says nothing until a line is taken into use. It never replaces a file. --store names\n" +
			"the voicemail system that it is for, as star97 backend list does.",
		Example: "  star97 init --output /etc/star97/star97.yaml\n  star97 init --store unity | less",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := config.TemplateFor(driver)
			if err != nil {
				return err
			}
			if output == "" {
				_, err := cmd.OutOrStdout().Write(text)
				return err
			}
			if err := writeNew(output, text); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is written; alter it, then: star97 check --config %s\n", output, output)
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "file to write; none: standard output")
	cmd.Flags().StringVar(&driver, "store", backend.Names()[0], "driver whose options stand in it")
	return cmd
}

// writeNew makes a file that everybody on the machine may read: a configuration
// holds no secret.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return failed("%s is there already and is left as it is; name another file, or remove it first", name)
	case err != nil:
		return failed("the configuration cannot be written: %w; make its folder, or mend its mode", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return failed("the configuration cannot be written: %w", err)
	}
	return nil
}
