package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// importHeader are the columns of an import file; from optional on each can be left out.
var importHeader = []string{"mailbox", "domain", "name", "language", "code", "slow", "mail"}

const optional = 5

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
		Long: "The first line is " + strings.Join(importHeader, ",") + ", or the same without\n" +
			"slow, mail or both. slow: yes there gives the owner twice the time. mail: where\n" +
			"notices and one-time codes go. An empty code leaves the mailbox without one. The whole\n" +
			"file is checked before the first mailbox is added; every problem is printed with its\n" +
			"line. Mailboxes that are there already are left as they are, so an import can be\n" +
			"repeated.",
		Example: "  star97 mailbox import mailboxes.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, name, err := openInput(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer in.Close()
			c, err := m.load()
			if err != nil {
				return err
			}
			var rows []row
			return m.tried(cmd.Context(), c, func(s *app.Stores, c config.Config) (err error) {
				rows, err = (&reader{name: name, rules: c.Policy.Policy, force: force, check: s.Check}).read(in)
				return err
			}, func(s *app.Stores, c config.Config) error {
				if err := m.addRows(cmd, s, name, rows); err != nil {
					return err
				}
				var languages []string
				for _, one := range rows {
					languages = append(languages, one.account.Language)
				}
				warnUnspoken(cmd.ErrOrStderr(), c, languages...)
				return nil
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

// reader reads the rows of one file and gathers what is wrong with them.
type reader struct {
	name     string
	rules    pin.Policy
	force    bool
	check    func(mailbox.Account) error
	rows     []row
	columns  []string           // as the first line has them
	seen     map[mailboxKey]int // line
	problems []error
}

// mailboxKey is what no two mailboxes have in common.
type mailboxKey struct{ domain, extension string }

func keyOf(a mailbox.Account) mailboxKey {
	return mailboxKey{strings.ToLower(a.Domain), a.Extension}
}

func (r *reader) wrong(line int, err error) {
	r.problems = append(r.problems, fmt.Errorf("%s:%d: %s", r.name, line, plainly(err)))
}

// read returns all rows, or every problem of the file.
func (r *reader) read(in io.Reader) ([]row, error) {
	file := csv.NewReader(withoutMark(in))
	header, err := file.Read() // each line has as many fields from then on
	if errors.Is(err, errInterrupted) {
		return nil, fmt.Errorf("%s cannot be read: %w", r.name, err)
	}
	if r.columns = columnsOf(header); err != nil || r.columns == nil {
		return nil, fmt.Errorf("%s:1: the first line must be %s, or the same without slow, mail or both", r.name, strings.Join(importHeader, ","))
	}
	r.seen = map[mailboxKey]int{}
	for {
		fields, err := file.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return r.rows, errors.Join(r.problems...)
		case errors.As(err, &broken):
			r.wrong(broken.StartLine, fmt.Errorf("%w; each line has %d fields", broken.Err, len(header)))
			if !errors.Is(err, csv.ErrFieldCount) { // where the next line begins is not certain
				return nil, errors.Join(r.problems...)
			}
		case err != nil:
			return nil, errors.Join(append(r.problems, fmt.Errorf("%s cannot be read: %w", r.name, err))...)
		default:
			line, _ := file.FieldPos(0)
			r.row(line, fields)
		}
	}
}

// columnsOf names the columns of a first line; nil if it is none.
func columnsOf(header []string) []string {
	left := importHeader
	var found []string
	for _, written := range header {
		i := slices.Index(left, strings.ToLower(strings.TrimSpace(written)))
		if i < 0 || i > 0 && len(found) < optional {
			return nil
		}
		found, left = append(found, left[i]), left[i+1:]
	}
	if len(found) < optional {
		return nil
	}
	return found
}

// row takes one mailbox, or notes everything that is wrong with it.
func (r *reader) row(line int, fields []string) {
	for i := range fields {
		fields[i] = strings.Trim(fields[i], " \t")
	}
	one := row{line: line, account: mailbox.Account{
		Extension: fields[0], Domain: fields[1], Name: fields[2], Language: fields[3],
	}}
	before := len(r.problems)
	var err error
	for i := optional; i < len(fields); i++ {
		switch r.columns[i] {
		case "slow":
			if one.account.Flags.Slow, err = yes(fields[i]); err != nil {
				r.wrong(line, err)
			}
		case "mail":
			one.account.Mail = fields[i]
		}
	}
	if err := r.check(one.account); err != nil {
		r.wrong(line, err)
	}
	if one.code, err = pin.Parse(fields[4]); err != nil {
		r.wrong(line, err)
	} else if !one.code.Empty() && !r.force {
		if broken := r.rules.Check(one.code, app.About(one.account)); broken != pin.Pass {
			r.wrong(line, fmt.Errorf("its code breaks the rule %q for new codes; choose another one, or say --force", broken))
		}
	}
	key := keyOf(one.account)
	if first, twice := r.seen[key]; twice {
		r.wrong(line, fmt.Errorf("this mailbox stands in line %d already; remove one of the two", first))
	} else {
		r.seen[key] = line
	}
	if len(r.problems) == before {
		r.rows = append(r.rows, one)
	}
}

// yes reads a column of yes and no; what else stands there is not told, since it may be
// a code in the wrong column.
func yes(field string) (bool, error) {
	switch strings.ToLower(field) {
	case "yes", "true", "1":
		return true, nil
	case "", "no", "false", "0":
		return false, nil
	}
	return false, errors.New("slow must be yes or no, or empty for no")
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

// missing leaves out the rows whose mailboxes are there already.
func missing(ctx context.Context, s *app.Stores, rows []row) ([]row, error) {
	there := map[mailboxKey]bool{}
	err := s.List(ctx, mailbox.Page{AllDomains: true}, func(a mailbox.Account) error {
		there[keyOf(a)] = true
		return nil
	})
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return there[keyOf(r.account)] }), err
}

// Signs of life: after so many mailboxes, and after so long.
const (
	progressEvery = 100
	progressAfter = 2 * time.Second
)

// adding is one import under way.
type adding struct {
	mu       sync.Mutex
	notes    io.Writer
	all      int
	done     int
	told     time.Time
	problems map[int]error // by line
}

func (a *adding) ended(line int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.problems[line] = err
	}
	a.done++
	if a.done%progressEvery == 0 || time.Since(a.told) >= progressAfter {
		a.told = time.Now()
		fmt.Fprintf(a.notes, "%d of %d mailboxes\n", a.done, a.all)
	}
}

// addRows adds the mailboxes that are not there, one a core at a time, so an import
// that was interrupted can be repeated.
func (m *mailboxes) addRows(cmd *cobra.Command, s *app.Stores, name string, rows []row) error {
	ctx := cmd.Context()
	fresh, err := missing(ctx, s, rows)
	if err != nil {
		return err
	}
	a := &adding{notes: cmd.ErrOrStderr(), all: len(fresh), told: time.Now(), problems: map[int]error{}}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	var stopped error
	for _, one := range fresh {
		if ctx.Err() != nil {
			stopped = fmt.Errorf("stopped before line %d of %s; start again with the same file", one.line, name)
			break
		}
		// One a core: started here, stops when its mailbox is added, owns nothing.
		group.Go(func() error {
			_, err := s.Add(ctx, one.account, one.code, actor())
			a.ended(one.line, err)
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in a
	var problems []error
	for _, line := range slices.Sorted(maps.Keys(a.problems)) {
		problems = append(problems, fmt.Errorf("%s:%d: %s", name, line, plainly(a.problems[line])))
	}
	told := m.imported(cmd.OutOrStdout(), a.done-len(problems), len(rows)-len(fresh), len(problems), len(rows))
	return errors.Join(append(problems, stopped, told)...)
}

// imported tells how many mailboxes were added, were there, and could not be added.
func (m *mailboxes) imported(w io.Writer, added, there, failed, all int) error {
	if m.json {
		return printJSON(w, map[string]int{"added": added, "there": there, "failed": failed})
	}
	already := ""
	switch {
	case there == 1:
		already = "; 1 was there already"
	case there > 1:
		already = fmt.Sprintf("; %d were there already", there)
	}
	_, err := fmt.Fprintf(w, "%d of %d mailboxes are added%s.\n", added, all, already)
	return err
}
