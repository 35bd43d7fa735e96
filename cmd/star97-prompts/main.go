// Command star97-prompts speaks the sentences of the manifests with a speech
// synthesiser and brings them to the level and shape of a telephone prompt. It is a
// workshop tool: star97 itself only plays what is in the prompts folder.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(os.Stdout).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "star97-prompts: "+err.Error())
		os.Exit(1)
	}
}

func command(out io.Writer) *cobra.Command {
	w := workshop{out: out}
	var data, tools string
	var fresh bool
	c := &cobra.Command{
		Use:   "star97-prompts [LANGUAGE...]",
		Short: "Speak the sentences whose text or voice has changed",
		Long: `Reads prompts/LANGUAGE/manifest.yaml, speaks each sentence whose text, voice or
options differ from what its master was made from, and writes the WAV files and
their hashes. Recordings marked "human: true" are never touched.

The voice is SVOX Pico: npm ci in the tools folder installs the engine, and --data
(or PICO_DATA) names the folder with its language data. Without the data, sentences
are spoken by flite, where the language has a flite voice.`,
		Example: `  make prompts PICO_DATA=/opt/pico
  star97-prompts --data /opt/pico en-US     only American English
  star97-prompts --data /opt/pico --all     speak everything again`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, languages []string) error {
			w.engines = map[string]engine{
				"svox-pico": pico{data: data, tools: tools},
				"flite":     flite{},
			}
			w.fresh = fresh
			return w.run(cmd.Context(), languages)
		},
	}
	c.SetOut(out)
	f := c.Flags()
	f.StringVar(&w.folder, "prompts", "prompts", "folder with one sub-folder per language")
	f.StringVar(&tools, "tools", "cmd/star97-prompts", "folder with pico.mjs and node_modules")
	f.StringVar(&data, "data", os.Getenv("PICO_DATA"), "folder with the SVOX Pico language data")
	f.BoolVar(&fresh, "all", false, "speak every sentence again, changed or not")
	return c
}
