package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"star97/internal/audit"
	"star97/internal/ledger"
)

// What verify exits with beside 0, whole, and 2, the command line.
const (
	exitBroken = 1
	exitUnread = 3
)

// proof is what verify was asked to do.
type proof struct {
	*trail
	files []string
	heads []string
	after string
}

func (t *trail) verify() *cobra.Command {
	p := &proof{trail: t}
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that no record was edited, removed or exchanged", Args: cobra.NoArgs,
		Long: "Walks the whole trail and names the first record that is not as it was written. A head\n" +
			"that was kept elsewhere (star97 audit head) also shows that the newest records were\n" +
			"cut off, or all of them written anew. Exit codes: 0 whole, 1 broken, 2 wrong command\n" +
			"line, 3 it could not be read.",
		Example: "  star97 audit verify\n" +
			"  star97 audit verify --head /mnt/elsewhere/heads.txt\n" +
			"  star97 audit verify --file january.jsonl --file february.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&p.files, "file", nil, "check this export instead of the database (-: standard input); several, each going on from the one before, are one trail")
	f.StringArrayVar(&p.heads, "head", nil, "a head that was kept elsewhere: SEQ:HASH, or a file with one at the beginning of each line")
	f.StringVar(&p.after, "after", "", "believe everything up to this head (SEQ:HASH) and begin behind it")
	f.BoolVar(&t.json, "json", false, "print JSON")
	return cmd
}

// verdict is what verify found, as programs read it.
type verdict struct {
	Whole   bool        `json:"whole"`
	Records uint64      `json:"records"` // checked
	Head    *audit.Head `json:"head,omitempty"`
	Heads   int         `json:"kept_heads"` // that the trail had to contain
	Record  *uint64     `json:"record,omitempty"`
	Problem string      `json:"problem,omitempty"`
}

func (p *proof) run(cmd *cobra.Command) error {
	from, kept, err := p.given()
	if err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr())
	last, err := p.walk(cmd, from, kept, progress)
	progress.end()
	v := verdict{Whole: err == nil, Records: progress.n, Heads: len(kept)}
	var broken *audit.Break
	switch {
	case err == nil:
		v.Head = &last
	case errors.As(err, &broken):
		v.Record, v.Problem = &broken.Seq, broken.What
	default:
		var exit exitError
		if errors.As(err, &exit) {
			err = exit.err
		}
		return exitError{exitUnread, err}
	}
	return errors.Join(v.print(cmd.OutOrStdout(), p.json), v.failed())
}

func (v verdict) print(w io.Writer, asJSON bool) (err error) {
	switch {
	case asJSON:
		return printJSON(w, v)
	case v.Whole && v.Heads > 0:
		_, err = fmt.Fprintf(w, "The audit trail is whole and contains every head that was kept (%d): %d records checked, the last one is %s\n", v.Heads, v.Records, v.Head)
	case v.Whole && v.Head.Seq == 0:
		_, err = fmt.Fprintln(w, "The audit trail is empty: nothing was recorded yet, or all of it was removed (a head kept with --head tells which)")
	case v.Whole:
		_, err = fmt.Fprintf(w, "The audit trail is whole: %d records checked, the last one is %s\n", v.Records, v.Head)
	}
	return err
}

func (v verdict) failed() error {
	if v.Whole {
		return nil
	}
	return exitError{exitBroken, fmt.Errorf("the audit trail is broken: %s", v.Problem)}
}

// walk checks the database or the files.
func (p *proof) walk(cmd *cobra.Command, from audit.Head, kept []audit.Head, progress *progress) (audit.Head, error) {
	if len(p.files) > 0 {
		return audit.VerifyAfter(from, progress.count(p.exported(cmd)), kept...)
	}
	var last audit.Head
	err := p.open(cmd.Context(), func(l *ledger.Ledger) error {
		end, err := l.Head(cmd.Context())
		if err != nil {
			return err
		}
		progress.of = end.Seq
		last, err = l.VerifyAfter(cmd.Context(), from, func(audit.Record) { progress.one() }, kept...)
		return err
	})
	return last, err
}

// exported is the records of all files, one behind the other.
func (p *proof) exported(cmd *cobra.Command) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for _, name := range p.files {
			if !readExport(cmd.Context(), cmd.InOrStdin(), name, yield) {
				return
			}
		}
	}
}

// readExport tells whether to go on.
func readExport(ctx context.Context, stdin io.Reader, name string, yield func(audit.Record, error) bool) bool {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return yield(audit.Record{}, fmt.Errorf("the export cannot be read: %w; check its name and mode", err)) && false
		}
		defer f.Close()
		in = f
	}
	for r, err := range audit.ReadLines(in) {
		if err == nil {
			err = ctx.Err()
		}
		if !yield(r, err) || err != nil {
			return false
		}
	}
	return true
}

// given reads --after and --head.
func (p *proof) given() (from audit.Head, kept []audit.Head, err error) {
	if p.after != "" {
		if err := from.UnmarshalText([]byte(p.after)); err != nil {
			return from, nil, fmt.Errorf("--after: %w", err)
		}
	}
	for _, text := range p.heads {
		some, err := headsOf(text)
		if err != nil {
			return from, nil, err
		}
		kept = append(kept, some...)
	}
	for _, h := range kept {
		if h.Seq < from.Seq {
			return from, nil, fmt.Errorf("the head of record %d lies before --after, where nothing is checked: leave one of them out", h.Seq)
		}
	}
	return from, kept, nil
}

// maxHeads bounds the heads of a file.
const maxHeads = 1_000_000

// headsOf is one head, or those of a file.
func headsOf(text string) (all []audit.Head, err error) {
	var one audit.Head
	if one.UnmarshalText([]byte(text)) == nil {
		return []audit.Head{one}, nil
	}
	f, err := os.Open(text)
	if errors.Is(err, fs.ErrNotExist) && strings.Contains(text, ":") {
		return nil, errors.New("--head is neither SEQ:HASH, as `star97 audit head` prints it, nor the name of a file")
	}
	if err != nil {
		return nil, exitError{exitUnread, fmt.Errorf("the kept heads cannot be read: %w; check its name and mode", err)}
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if err := one.UnmarshalText([]byte(words[0])); err != nil {
			return nil, exitError{exitUnread, fmt.Errorf("%s:%d: %w", text, n, err)}
		}
		if all = append(all, one); len(all) > maxHeads {
			return nil, exitError{exitUnread, fmt.Errorf("%s has more than %d heads: keep the newest of each day", text, maxHeads)}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, exitError{exitUnread, fmt.Errorf("the kept heads cannot be read: %w", err)}
	}
	if len(all) == 0 {
		return nil, exitError{exitUnread, fmt.Errorf("%s has no head: write the line of `star97 audit head` to it", text)}
	}
	return all, nil
}

// progress counts records, and at a terminal shows that it does.
type progress struct {
	w     io.Writer // nil: no terminal
	n, of uint64    // of: in all, 0 if it is not known
	shown time.Time
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: w}
	}
	return new(progress)
}

const (
	lookEvery = 1000 // records
	showEvery = 200 * time.Millisecond
)

func (p *progress) one() {
	p.n++
	if p.w == nil || p.n%lookEvery != 0 || time.Since(p.shown) < showEvery {
		return
	}
	p.shown = time.Now()
	if p.of == 0 {
		fmt.Fprintf(p.w, "\r%d records", p.n)
		return
	}
	fmt.Fprintf(p.w, "\r%d of %d records", p.n, max(p.n, p.of))
}

// end clears the line that was shown.
func (p *progress) end() {
	if !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *progress) count(records iter.Seq2[audit.Record, error]) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for r, err := range records {
			if err == nil {
				p.one()
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
