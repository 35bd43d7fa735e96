package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

var importHeader = []string{"mailbox", "domain", "name", "language", "code"}

// row is one mailbox of an import file.
type row struct {
	line    int
	account mailbox.Account
	code    pin.PIN
}

func (m *mailboxes) importCSV() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "Add mailboxes from a CSV file", Args: cobra.ExactArgs(1),
		Long: "The first line is " + strings.Join(importHeader, ",") + ". An empty code leaves the\n" +
			"mailbox without one. The whole file is checked before the first mailbox is added;\n" +
			"every problem is printed with its line.",
		Example: "  star97 mailbox import mailboxes.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, name, err := openInput(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer in.Close()
			return m.open(cmd.Context(), func(s *app.Stores, c config.Config) error {
				rows, err := readRows(in, name, c.Policy.Policy, force)
				if err != nil {
					return err
				}
				return m.addRows(cmd, s, name, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "take codes that break the rules for new codes")
	return cmd
}

func openInput(name string, stdin io.Reader) (io.ReadCloser, string, error) {
	if name == "-" {
		return io.NopCloser(stdin), "standard input", nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, name, failed("%s cannot be read: %w; check its name and mode", name, err)
	}
	return f, name, nil
}

func readRows(in io.Reader, name string, rules pin.Policy, force bool) ([]row, error) {
	r := csv.NewReader(withoutMark(in))
	r.FieldsPerRecord = len(importHeader)
	header, err := r.Read()
	if err != nil || !slices.Equal(header, importHeader) {
		return nil, fmt.Errorf("%s:1: the first line must be %s", name, strings.Join(importHeader, ","))
	}
	var rows []row
	var problems []error
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, errors.Join(problems...)
		}
		if err != nil {
			var wrong *csv.ParseError
			if errors.As(err, &wrong) {
				err = fmt.Errorf("%s:%d: %w; each line has %d fields", name, wrong.Line, wrong.Err, len(importHeader))
			}
			return nil, errors.Join(append(problems, err)...)
		}
		line, _ := r.FieldPos(0)
		one, err := readRow(line, fields, rules, force)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", name, line, err))
			continue
		}
		rows = append(rows, one)
	}
}

// withoutMark drops the byte order mark that spreadsheet programs begin a file in
// UTF-8 with.
func withoutMark(in io.Reader) io.Reader {
	text := bufio.NewReader(in)
	const mark = "\uFEFF"
	if head, err := text.Peek(len(mark)); err == nil && string(head) == mark {
		_, _ = text.Discard(len(mark)) // what was peeked is there
	}
	return text
}

func readRow(line int, fields []string, rules pin.Policy, force bool) (row, error) {
	one := row{line: line, account: mailbox.Account{
		Extension: fields[0], Domain: fields[1], Name: fields[2], Language: fields[3],
	}}
	var err error
	if one.code, err = pin.Parse(fields[4]); err != nil || one.code.Empty() {
		return one, err
	}
	broken := rules.Check(one.code, pin.Context{Extension: one.account.Extension})
	if broken != pin.Pass && !force {
		return one, fmt.Errorf("its code breaks the rule %q for new codes; choose another one, or say --force", broken)
	}
	return one, nil
}

// progressEvery is how many mailboxes are added between two signs of life.
const progressEvery = 100

// addRows goes on after a mailbox that exists, so an import can be repeated.
func (m *mailboxes) addRows(cmd *cobra.Command, s *app.Stores, name string, rows []row) error {
	var problems []error
	added := 0
	for i, one := range rows {
		if err := cmd.Context().Err(); err != nil {
			problems = append(problems, fmt.Errorf("stopped before line %d of %s; start again with the same file", one.line, name))
			break
		}
		if _, err := s.Add(cmd.Context(), one.account, one.code, actor()); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s", name, one.line, plainly(err)))
		} else {
			added++
		}
		if (i+1)%progressEvery == 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d mailboxes\n", i+1, len(rows))
		}
	}
	if m.json {
		if err := printJSON(cmd.OutOrStdout(), map[string]int{"added": added, "failed": len(problems)}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%d of %d mailboxes are added.\n", added, len(rows))
	}
	return errors.Join(problems...)
}
