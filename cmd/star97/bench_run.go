package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"star97/internal/caller"
)

// benchReport is what is printed: what the telephones saw, and what the service counted.
type benchReport struct {
	*caller.LoadReport
	Service map[string]float64 `json:"service,omitempty"` // counters that grew meanwhile, by how much
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	var page *countersPage
	if f.metrics != "" {
		var err error
		if page, err = readCounters(cmd.Context(), f.metrics); err != nil {
			return exitError{int(caller.Failed), err}
		}
	}
	show, shown := progressTo(cmd.ErrOrStderr(), f.json)
	f.Progress = show
	report, err := caller.Load(cmd.Context(), f.LoadOptions)
	shown()
	if err != nil {
		return f.notMeasured(cmd, err)
	}
	all := benchReport{LoadReport: report}
	if page != nil {
		if all.Service, err = page.grown(context.WithoutCancel(cmd.Context()), report.Answered); err != nil {
			report.Warnings = append(report.Warnings, err.Error())
		}
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), all)
	} else if err = report.Table(cmd.OutOrStdout()); err == nil {
		err = all.service(cmd.OutOrStdout())
	}
	if err != nil {
		return exitError{int(caller.Failed), err}
	}
	return f.outcome(report)
}

// service writes what the service counted.
func (r *benchReport) service(w io.Writer) error {
	if len(r.Service) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("\nthe service counted:\n")
	for _, name := range slices.Sorted(maps.Keys(r.Service)) {
		fmt.Fprintf(&b, "  %-70s %12g\n", name, r.Service[name])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notMeasured tells why there is no report, and what to do.
func (f *benchFlags) notMeasured(cmd *cobra.Command, err error) error {
	outcome := caller.OutcomeOf(err)
	switch {
	case cmd.Context().Err() != nil:
		outcome, err = caller.Failed, errors.New("interrupted before a call was answered; nothing was measured")
	case errors.Is(err, caller.ErrUnreachable):
		err = fmt.Errorf("%w; start the service, or correct the address, the port or --transport", err)
	case errors.Is(err, caller.ErrNoAnswer):
		err = fmt.Errorf("%w; check the address, the port, --transport and what filters packets on the way, or wait longer with --answer", err)
	}
	return exitError{int(outcome), err}
}

// outcome is what the exit code tells of a report.
func (f *benchFlags) outcome(r *caller.LoadReport) error {
	switch {
	case r.Interrupted:
		return failed("interrupted; the report is of the time until then")
	case r.Answered == 0 && r.Refusal.N > 0:
		return exitError{int(caller.CallRefused), fmt.Errorf("every call was refused: %s; %s",
			strings.Join(slices.Sorted(maps.Keys(r.Failures)), ", "), remedy(r.Failures))}
	case r.Answered == 0:
		return exitError{int(caller.Unreachable), fmt.Errorf("no call was answered: %s", strings.Join(slices.Sorted(maps.Keys(r.Failures)), ", "))}
	}
	return nil
}

// remedy is what helps against the most frequent of the refusals.
func remedy(failures map[string]int) string {
	reasons := slices.Sorted(maps.Keys(failures))
	slices.SortStableFunc(reasons, func(a, b string) int { return failures[b] - failures[a] })
	switch status, _, _ := strings.Cut(reasons[0], " "); status {
	case "401", "407":
		return "the far end asks for a password, which callers of a bench do not have; let this machine call it without one"
	case "503":
		return "it is busy or refuses load: ask for fewer, with --rate and --calls"
	}
	return "check the number, and whether this machine may call it"
}

// progressTo is what shows how far a run is, and what tidies up after it: a terminal has
// one line that changes, a file one line a second. With JSON only a terminal is told.
func progressTo(w io.Writer, asJSON bool) (show func(caller.Progress), done func()) {
	file, is := w.(*os.File)
	live := is && term.IsTerminal(int(file.Fd()))
	switch {
	case live:
		const clearLine = "\r\033[K"
		return func(p caller.Progress) { fmt.Fprint(w, clearLine, p) }, func() { fmt.Fprint(w, clearLine) }
	case asJSON:
		return nil, func() {}
	}
	return func(p caller.Progress) { fmt.Fprintln(w, p) }, func() {}
}
