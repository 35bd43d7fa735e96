package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/audit"
	"star97/internal/ledger"
)

// trail is what every audit command works on.
type trail struct {
	site
	json bool
}

func auditCommand() *cobra.Command {
	t := new(trail)
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read the record of every decision, prove that it is whole",
		Long: "Reads the audit trail of the service, also while it runs, and alters nothing. Each\n" +
			"record carries the SHA-256 of the one before: what was edited, removed or exchanged\n" +
			"shows. That the newest records were cut off shows against a head that was kept\n" +
			"elsewhere.",
		Example: "  star97 audit list --since 24h --result locked,wrong-pin\n" +
			"  star97 audit show 1729\n" +
			"  star97 audit head >> /mnt/elsewhere/heads.txt\n" +
			"  star97 audit verify --head /mnt/elsewhere/heads.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&t.config, "config", "", "configuration file (YAML); none: the built-in defaults")
	cmd.PersistentFlags().StringVar(&t.data, "data", defaultData, "folder for the databases")
	cmd.AddCommand(t.list(), t.show(), t.head(), t.verify(), t.export())
	return cmd
}

// open runs use on the ledger; what goes wrong is exit code 1, or use's own.
func (t *trail) open(ctx context.Context, use func(*ledger.Ledger) error) error {
	c, err := t.load()
	if err != nil {
		return err
	}
	l, end, err := app.OpenLedger(ctx, c, t.data)
	if err != nil {
		return exitError{1, err}
	}
	if err := errors.Join(use(l), end()); err != nil {
		var exit exitError
		if errors.As(err, &exit) {
			return err
		}
		return exitError{1, err}
	}
	return nil
}

func (t *trail) list() *cobra.Command {
	var f question
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List records, the newest last", Args: cobra.NoArgs,
		Long: "Lists the newest records that every given filter lets through. Of a list of words\n" +
			"one has to fit. A result is how a login ended (ok, wrong-pin, locked and others) or\n" +
			"what became of a change (done, refused, unknown). --json prints a record a line, as\n" +
			"export does.",
		Example: "  star97 audit list --since 2h --mailbox 4001\n" +
			"  star97 audit list --since 2026-11-01T00:00:00Z --action change,reset --json\n" +
			"  star97 audit list --actor root --limit 1000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(cmd, time.Now())
			if err != nil {
				return err
			}
			if limit < 1 || limit > maxListed {
				return errors.New("--limit is out of its range: use 1 to 1 million")
			}
			return t.open(cmd.Context(), func(l *ledger.Ledger) error {
				return t.printList(cmd, l, filter, limit)
			})
		},
	}
	f.flags(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 50, "the newest so many, 1 to 1 million")
	cmd.Flags().BoolVar(&t.json, "json", false, "print JSON, one record a line")
	return cmd
}

const (
	// maxListed bounds --limit.
	maxListed = 1_000_000
	// block is the number of rows whose columns are as wide as each other: a table of
	// any length needs no more memory than one of them.
	block = 500
)

func (t *trail) printList(cmd *cobra.Command, l *ledger.Ledger, f ledger.Filter, limit int) error {
	w := cmd.OutOrStdout()
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	n := 0
	for r, err := range l.Find(cmd.Context(), f, limit) {
		if err != nil {
			return errors.Join(table.Flush(), err)
		}
		switch {
		case t.json:
			err = r.WriteLine(w)
		case n%block == 0:
			err = table.Flush()
			fmt.Fprintln(table, "SEQ\tTIME\tACTION\tRESULT\tMAILBOX\tDOOR\tTARGET\tBY")
			fallthrough
		default:
			printRow(table, r.Clean())
		}
		if err != nil {
			return err
		}
		n++
	}
	if n == 0 && !t.json {
		fmt.Fprintln(w, "(no records)")
	}
	return table.Flush()
}

func printRow(w io.Writer, r audit.Record) {
	fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq, r.Time.Format(time.RFC3339), actionOf(r), fate(r), mailboxOf(r), doorOfRecord(r), dash(r.Target), by(r))
}

func (t *trail) show() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show SEQ", Short: "Show one record in full, and those that belong to it", Args: cobra.ExactArgs(1),
		Example: "  star97 audit show 1729",
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := strconv.ParseUint(args[0], 10, 63)
			if err != nil || seq == 0 {
				return errors.New("a record has a number, from 1 on; `star97 audit list` shows them")
			}
			return t.open(cmd.Context(), func(l *ledger.Ledger) error { return t.showOne(cmd, l, seq) })
		},
	}
	cmd.Flags().BoolVar(&t.json, "json", false, "print JSON")
	return cmd
}

// maxRelated bounds the records shown beside one; a change has two, and one for each
// door that it closed or opened.
const maxRelated = 20

func (t *trail) showOne(cmd *cobra.Command, l *ledger.Ledger, seq uint64) error {
	r, found, err := l.Record(cmd.Context(), seq)
	if err != nil {
		return err
	}
	if !found {
		last, err := l.Head(cmd.Context())
		if err != nil {
			return err
		}
		return fmt.Errorf("there is no record %d; the last one is %d", seq, last.Seq)
	}
	related := []audit.Record{}
	if r.Intent != "" {
		for one, err := range l.Find(cmd.Context(), ledger.Filter{Intent: r.Intent}, maxRelated) {
			if err != nil {
				return err
			}
			if one.Seq != seq {
				related = append(related, one)
			}
		}
	}
	if t.json {
		return printJSON(cmd.OutOrStdout(), struct {
			Record  audit.Record   `json:"record"`
			Holds   bool           `json:"holds"` // its content matches its hash
			Related []audit.Record `json:"related"`
		}{r, r.Holds(), related})
	}
	printRecord(cmd.OutOrStdout(), r, related)
	return nil
}

func (t *trail) head() *cobra.Command {
	cmd := &cobra.Command{
		Use: "head", Short: "Print the last record's number and hash, to be kept elsewhere", Args: cobra.NoArgs,
		Long: "Prints one line: number and hash of the last record, and the time. Whoever can write\n" +
			"to the database can cut off its newest records or write it all anew, but not change\n" +
			"a line on another machine, on paper or in a mailbox: see star97 audit verify --head,\n" +
			"which reads these lines, not JSON.",
		Example: "  star97 audit head >> /mnt/elsewhere/heads.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.open(cmd.Context(), func(l *ledger.Ledger) error {
				h, err := l.Head(cmd.Context())
				if err != nil {
					return err
				}
				now := time.Now().UTC().Truncate(time.Second)
				if t.json {
					return printJSON(cmd.OutOrStdout(), struct {
						Head audit.Head `json:"head"`
						Time time.Time  `json:"time"`
					}{h, now})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", h, now.Format(time.RFC3339))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&t.json, "json", false, "print JSON")
	return cmd
}

func (t *trail) export() *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use: "export", Short: "Write the whole trail as JSON lines", Args: cobra.NoArgs, // and so without --json
		Long: "Writes every record with its hash to standard output, one a line, and how to go on\n" +
			"later to standard error. star97 audit verify --file checks an export without the\n" +
			"database, and of several that go on from each other all together.",
		Example: "  star97 audit export > trail.jsonl\n" +
			"  star97 audit export --after 1729 >> trail.jsonl\n" +
			"  star97 audit verify --file trail.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.open(cmd.Context(), func(l *ledger.Ledger) error { return exportTo(cmd, l, after) })
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "begin behind this record: the last one of an earlier export")
	return cmd
}

func exportTo(cmd *cobra.Command, l *ledger.Ledger, after uint64) error {
	out := newBuffered(cmd.OutOrStdout())
	last, n := audit.Head{Seq: after}, 0
	for r, err := range l.Records(cmd.Context(), after) {
		if err == nil {
			err = r.WriteLine(out)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		last = r.Head()
		n++
	}
	if err := out.Flush(); err != nil {
		return err
	}
	told := fmt.Sprintf("%d records are exported; go on later with --after %d", n, last.Seq)
	if n == 0 {
		told = fmt.Sprintf("there is no record behind %d", after)
	}
	_, err := fmt.Fprintln(cmd.ErrOrStderr(), told)
	return err
}
