package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"star97/internal/pin"
)

// Limits of what the code commands read and write.
const (
	maxCodes     = 2_000_000 // lines
	maxGenerated = 1000
)

// notDigits stands where a line holds no code: no rule of a policy says so, since a
// telephone cannot send such.
const notDigits pin.Rule = "not-digits"

// judge are the flags that say by which rules codes are judged, and against what.
type judge struct {
	site
	preset    string
	extension string
	numbers   []string
	names     []string
	current   string // file
}

func codeCommand() *cobra.Command {
	j := new(judge)
	cmd := &cobra.Command{
		Use:   "code",
		Short: "Try codes against the rules, count what each rule refuses, generate codes",
		Long: "Judges codes as a caller's new code is judged. It needs no service and no database,\n" +
			"keeps nothing, and shows no code but those that it generates itself.\n\n" +
			"The rules are those of --config, or of one preset: " + strings.Join(pin.Presets(), ", ") + ".\n" +
			"The rule history is not judged here: only the store of a mailbox knows its old codes.",
		Example: "  star97 code check --preset strong < codes.txt\n" +
			"  star97 code report --config /etc/star97/star97.yaml < codes.txt\n" +
			"  star97 code generate",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	j.flags(cmd.PersistentFlags())
	cmd.AddCommand(j.check(), j.report(), j.generate())
	return cmd
}

func (j *judge) flags(f *pflag.FlagSet) {
	f.StringVar(&j.preset, "preset", "", "a set of rules by name; default "+pin.DefaultPreset)
	f.StringVar(&j.config, "config", "", "configuration file (YAML) whose policy counts, instead of a preset")
	f.StringVar(&j.extension, "extension", "", "the owner's extension, digits")
	f.StringArrayVar(&j.numbers, "number", nil, "a telephone number of the owner, digits; can be given several times")
	f.StringArrayVar(&j.names, "name", nil, "a name of the owner; can be given several times")
	f.StringVar(&j.current, "current-file", "", "file that holds the code in force")
}

func (j *judge) check() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell for each code on standard input whether it is accepted",
		Long: "Reads one code a line and writes its line number, and \"accepted\" or the rule that\n" +
			"refuses it: the one that a caller would hear. A line that holds anything but digits is " + string(notDigits) + ".\n\n" +
			"Exit code: 0 all are accepted, 1 one or more are refused, 2 they could not be judged.",
		Example: "  echo 482915 | star97 code check\n" +
			"  star97 code check --preset carrier-4-8 --extension 4001 --number 12125554001 < codes.txt\n" +
			"  star97 code check --config star97.yaml --current-file now.txt --json < codes.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rules, about, err := j.complete(cmd)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			refused := false
			err = eachCode(cmd, func(line int, code pin.PIN, broken pin.Rule) error {
				if broken == pin.Pass {
					broken = rules.Check(code, about)
				}
				refused = refused || broken != pin.Pass
				return tell(out, asJSON, judgement{line, broken == pin.Pass, broken})
			})
			if err := errors.Join(err, out.Flush()); err != nil {
				return exitError{2, err}
			}
			if refused {
				return exitError{1, nil}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object a line")
	return cmd
}

// judgement is what is told of one line.
type judgement struct {
	Line     int      `json:"line"`
	Accepted bool     `json:"accepted"`
	Rule     pin.Rule `json:"rule,omitempty"`
}

func tell(w io.Writer, asJSON bool, v judgement) error {
	if asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	said := string(v.Rule)
	if v.Accepted {
		said = "accepted"
	}
	_, err := fmt.Fprintf(w, "%d %s\n", v.Line, said)
	return err
}

func (j *judge) generate() *cobra.Command {
	var count int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Generate codes that the rules accept, and show them",
		Long: "Writes codes, one a line: random ones of six digits, or the nearest length that the\n" +
			"rules allow. No mailbox gets any of them: star97 mailbox set-code --generate does that.",
		Example: "  star97 code generate\n" +
			"  star97 code generate --count 20 --config /etc/star97/star97.yaml\n" +
			"  star97 code generate --preset nist-aligned --extension 4001 --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count < 1 || count > maxGenerated {
				return fmt.Errorf("--count must be 1 to %d", maxGenerated)
			}
			rules, about, err := j.complete(cmd)
			if err != nil {
				return err
			}
			for range count {
				code, err := pin.Generate(rules, about, rand.Reader)
				if err != nil {
					return failed("%w", err)
				}
				if err := tellCode(cmd.OutOrStdout(), asJSON, code); err != nil {
					return exitError{1, err}
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&count, "count", 1, fmt.Sprintf("how many, 1 to %d", maxGenerated))
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object a line")
	return cmd
}

// tellCode shows a code that was generated to be shown.
func tellCode(w io.Writer, asJSON bool, code pin.PIN) (err error) {
	format := "%s\n"
	if asJSON {
		format = `{"code":"%s"}` + "\n"
	}
	code.Reveal(func(digits []byte) { _, err = fmt.Fprintf(w, format, digits) })
	return err
}

// complete reads what the flags name.
func (j *judge) complete(cmd *cobra.Command) (rules pin.Policy, about pin.Context, err error) {
	if rules, err = j.rules(); err != nil {
		return rules, about, err
	}
	about = pin.Context{Extension: j.extension, Numbers: j.numbers, Names: j.names}
	for i, n := range append([]string{j.extension}, j.numbers...) {
		if strings.Trim(n, "0123456789") != "" {
			return rules, about, fmt.Errorf("%s must consist of digits only", [...]string{"--extension", "--number"}[min(i, 1)])
		}
	}
	if j.current != "" {
		about.Current, err = currentCode(cmd, j.current)
	}
	return rules, about, err
}

func (j *judge) rules() (pin.Policy, error) {
	switch {
	case j.preset != "" && j.config != "":
		return pin.Policy{}, errors.New("--preset and --config exclude each other: the configuration names a preset itself")
	case j.config != "":
		c, err := j.load()
		if err != nil {
			return pin.Policy{}, exitError{2, err}
		}
		return c.Policy.Policy, nil
	case j.preset == "":
		return pin.DefaultPolicy(), nil
	}
	p, ok := pin.Preset(j.preset)
	if !ok {
		return p, errors.New("there is no such preset; use one of " + strings.Join(pin.Presets(), ", "))
	}
	return p, nil
}

// currentCode reads a file of one line.
func currentCode(cmd *cobra.Command, name string) (pin.PIN, error) {
	f, err := os.Open(name)
	if err != nil {
		return pin.PIN{}, exitError{2, fmt.Errorf("the current code cannot be read: %w; check its name and mode", err)}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		cmd.PrintErrf("warning: others can read %s; make it yours alone with: chmod 600 %s\n", name, name)
	}
	line, err := bufio.NewReader(io.LimitReader(f, maxCodeLine)).ReadBytes('\n')
	defer clear(line)
	if err != nil && !errors.Is(err, io.EOF) {
		return pin.PIN{}, exitError{2, fmt.Errorf("the current code cannot be read: %w; check its name and mode", err)}
	}
	code, err := pin.Parse(trimmed(line))
	if err == nil && code.Empty() {
		err = errors.New("it is empty")
	}
	if err != nil {
		return pin.PIN{}, exitError{2, fmt.Errorf("%s: %w; write the code alone on its first line", name, err)}
	}
	return code, nil
}

// eachCode judges the lines of standard input by use; broken is notDigits, or TooLong
// for more digits than a code can have.
func eachCode(cmd *cobra.Command, use func(line int, code pin.PIN, broken pin.Rule) error) error {
	if _, is := terminal(cmd.InOrStdin()); is {
		fmt.Fprintln(cmd.ErrOrStderr(), "Type one code a line (it shows), then Ctrl-D.")
	}
	lines := newGivenCodes(cmd.InOrStdin())
	defer lines.wipe()
	for {
		code, broken, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case lines.n > maxCodes:
			return fmt.Errorf("line %d: these are more than %d codes; give them in parts", lines.n, maxCodes)
		}
		err = use(lines.n, code, broken)
		code.Wipe()
		if err != nil {
			return err
		}
	}
}
