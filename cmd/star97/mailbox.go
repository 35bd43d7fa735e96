package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// mailboxes is what every mailbox command works on.
type mailboxes struct {
	site
	domain string
	json   bool
	reason string
}

func mailboxCommand() *cobra.Command {
	m := new(mailboxes)
	cmd := &cobra.Command{
		Use:   "mailbox",
		Short: "Add, show and mend mailboxes",
		Long: "Works on the same data as serve, also while it runs. A code is read from standard\n" +
			"input or generated and shown once; it never stands on a command line.",
		Example: "  star97 mailbox add 4001 --name 'Ann Example' --generate\n" +
			"  star97 mailbox list\n" +
			"  star97 mailbox set 4001 --language es-ES --slow\n" +
			"  star97 mailbox set-code 4001 < code.txt\n" +
			"  star97 mailbox unlock 4001 --reason 'owner called, identity checked'",
		Args: cobra.NoArgs, // what is no sub-command is an unknown one
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	m.siteFlags(cmd.PersistentFlags())
	cmd.AddCommand(m.add(), m.list(), m.show(), m.set(), m.renumber(), m.setCode(), m.lock(), m.unlock(), m.reassign(), m.remove(), m.importCSV())
	return cmd
}

func (m *mailboxes) siteFlags(f *pflag.FlagSet) {
	m.dataFlags(f)
	f.StringVar(&m.domain, "domain", "", "tenant, which is kept in the store that the dialplan's domains name; empty: the default one")
}

// dataFlags are those of a command about all tenants.
func (m *mailboxes) dataFlags(f *pflag.FlagSet) {
	f.StringVar(&m.config, "config", "", "configuration file (YAML); none: the built-in defaults")
	f.StringVar(&m.data, "data", defaultData, "folder for the databases and the pepper")
	f.BoolVar(&m.json, "json", false, "print JSON")
}

// opened runs use on the stores, made if there are none yet, and closes them; what
// goes wrong is exit code 1.
func (m *mailboxes) opened(ctx context.Context, c config.Config, use func(*app.Stores, config.Config) error) error {
	return m.with(app.OpenStores, ctx, c, use)
}

// looked is opened for what only looks: it makes nothing in the data folder.
func (m *mailboxes) looked(ctx context.Context, c config.Config, use func(*app.Stores, config.Config) error) error {
	return m.with(app.OpenAside, ctx, c, use)
}

// tried is opened for what is refused beforehand if try has an objection: then nothing is
// made in the data folder either.
func (m *mailboxes) tried(ctx context.Context, c config.Config, try, use func(*app.Stores, config.Config) error) error {
	if app.Makes(c, m.data) {
		if err := m.looked(ctx, c, try); err != nil {
			return err
		}
		return m.opened(ctx, c, use)
	}
	return m.opened(ctx, c, func(s *app.Stores, c config.Config) error {
		if err := try(s, c); err != nil {
			return err
		}
		return use(s, c)
	})
}

func (m *mailboxes) with(open func(context.Context, config.Config, string) (*app.Stores, error), ctx context.Context, c config.Config,
	use func(*app.Stores, config.Config) error) error {
	if err := failing(c.UnreadableStores()); err != nil {
		return err
	}
	s, err := open(ctx, c, m.data)
	if err != nil {
		return exitError{1, err}
	}
	if err := errors.Join(use(s, c), s.Close()); err != nil {
		return exitError{1, errors.New(plainly(err))}
	}
	return nil
}

// begun tells that there is no data folder, or nothing in it to ask.
func (m *mailboxes) begun() (c config.Config, err error) {
	if c, err = m.load(); err == nil {
		err = m.there()
	}
	if err == nil && !app.Begun(c, m.data) {
		err = failed("the data folder %s holds nothing of star97 yet; name the service's with --data, or begin with `star97 mailbox add`", m.data)
	}
	return c, err
}

// there tells that there is no data folder.
func (m *mailboxes) there() error {
	if _, err := os.Stat(m.data); errors.Is(err, fs.ErrNotExist) {
		return failed("there is no data folder %s; name the service's with --data, or make one with `star97 mailbox add`", m.data)
	}
	return nil
}

// on runs use on the mailbox of an extension.
func (m *mailboxes) on(ctx context.Context, extension string, use func(*app.Stores, config.Config, mailbox.Account) error) error {
	c, err := m.begun()
	if err != nil {
		return err
	}
	var a mailbox.Account
	return m.tried(ctx, c, func(s *app.Stores, _ config.Config) (err error) {
		a, err = s.Find(ctx, extension, m.domain)
		return err
	}, func(s *app.Stores, c config.Config) error { return use(s, c, a) })
}

func (m *mailboxes) reasonFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.reason, "reason", "", "why, for the audit trail")
}

// actor is who sits at the terminal, for the audit trail.
func actor() mailbox.Actor {
	if u, err := user.Current(); err == nil {
		return mailbox.Actor(u.Username + " at the command line")
	}
	return "command line"
}

func (m *mailboxes) list() *cobra.Command {
	var search string
	cmd := &cobra.Command{
		Use: "list", Short: "List mailboxes", Args: cobra.NoArgs,
		Long:    "Lists every tenant, or that of --domain alone; --domain '' is the default one.",
		Example: "  star97 mailbox list\n  star97 mailbox list --search ann --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			page := mailbox.Page{Domain: m.domain, AllDomains: !cmd.Flags().Changed("domain"), Search: search}
			c, err := m.load()
			if err == nil {
				err = m.there()
			}
			if err != nil {
				return err
			}
			return m.looked(cmd.Context(), c, func(s *app.Stores, _ config.Config) error {
				return m.printList(cmd.OutOrStdout(), viewsOf(cmd.Context(), s, page))
			})
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "part of an extension, a name or a number, or the whole ID that the log tells")
	return cmd
}

// viewsOf goes through the mailboxes of a page.
func viewsOf(ctx context.Context, s *app.Stores, p mailbox.Page) func(use func(view) error) error {
	return func(use func(view) error) error {
		return s.List(ctx, p, func(a mailbox.Account) error {
			state, err := s.Guard.State(ctx, a)
			if err != nil {
				return err
			}
			return use(viewOf(a).with(state))
		})
	}
}

func (m *mailboxes) printList(w io.Writer, each func(use func(view) error) error) error {
	if m.json {
		views := []view{}
		err := each(func(v view) error { views = append(views, v); return nil })
		if err != nil && len(views) == 0 {
			return err
		}
		return errors.Join(printJSON(w, views), err)
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "EXTENSION\tDOMAIN\tNAME\tLANGUAGE\tSTATE")
	n := 0
	err := each(func(v view) error {
		n++
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", v.Extension, dash(v.Domain), dash(v.Name), dash(v.Language), strings.Join(v.states(), ", "))
		return err
	})
	if err != nil && n == 0 { // nothing was found out: no table either
		return err
	}
	if err := errors.Join(err, table.Flush()); err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(w, "(no mailboxes)")
	}
	return nil
}

func (m *mailboxes) show() *cobra.Command {
	return &cobra.Command{
		Use: "show EXTENSION", Short: "Show one mailbox and whether wrong codes have closed it", Args: cobra.ExactArgs(1),
		Example: "  star97 mailbox show 4001",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.begun()
			if err != nil {
				return err
			}
			return m.looked(cmd.Context(), c, func(s *app.Stores, _ config.Config) error {
				a, err := s.Find(cmd.Context(), args[0], m.domain)
				if err != nil {
					return err
				}
				state, err := s.Guard.State(cmd.Context(), a)
				if err != nil {
					return err
				}
				v := detailOf(a, state)
				if v.LastChange, err = lastChange(cmd.Context(), s, a); err != nil {
					return err
				}
				if m.json {
					return printJSON(cmd.OutOrStdout(), v)
				}
				v.print(cmd.OutOrStdout())
				return nil
			})
		},
	}
}

func (m *mailboxes) remove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove EXTENSION", Short: "Delete a mailbox and its code", Args: cobra.ExactArgs(1),
		Example: "  star97 mailbox remove 4001 --yes --reason 'left the company'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return failed("removing a mailbox cannot be undone; say --yes if %s is the right one", args[0])
			}
			return m.on(cmd.Context(), args[0], func(s *app.Stores, _ config.Config, a mailbox.Account) error {
				if err := s.Remove(cmd.Context(), a, actor(), m.reason); err != nil {
					return err
				}
				return m.done(cmd.OutOrStdout(), a, "Mailbox %s is removed.", a.Extension)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really remove it")
	m.reasonFlag(cmd)
	return cmd
}

// done tells people a sentence and programs the mailbox.
func (m *mailboxes) done(w io.Writer, a mailbox.Account, format string, args ...any) error {
	if m.json {
		return printJSON(w, viewOf(a))
	}
	_, err := fmt.Fprintf(w, format+"\n", args...)
	return err
}

// codeFrom generates a code or reads one from standard input and checks it
// against the rules, those about the codes that the mailbox has or had too, unless force
// says to take any.
type codeFrom struct {
	generate bool
	force    bool
}

func (f *codeFrom) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.generate, "generate", false, "generate a code and show it once, instead of reading one from standard input")
	cmd.Flags().BoolVar(&f.force, "force", false, "take a code that breaks the rules for new codes")
}

func (f *codeFrom) read(cmd *cobra.Command, s *app.Stores, c config.Config, a mailbox.Account) (pin.PIN, error) {
	if f.generate {
		return s.Generate(cmd.Context(), a, c.Policy.Policy)
	}
	code, err := readCode(cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil || f.force {
		return code, err
	}
	switch rule, err := s.Judge(cmd.Context(), a, code, c.Policy.Policy); {
	case err != nil:
		return pin.PIN{}, err
	case rule != pin.Pass:
		return pin.PIN{}, fmt.Errorf("the code breaks the rule %q for new codes; choose another one, or say --force", rule)
	}
	return code, nil
}

// reveal shows a generated code, this once, unless it is certain that it is not in
// force: a code in force that nobody has seen locks its owner out. JSON is the
// mailbox with its code, and then all that there is to say.
func (m *mailboxes) reveal(w io.Writer, f codeFrom, a mailbox.Account, code pin.PIN, o mailbox.Outcome) (shown bool, err error) {
	if !f.generate || code.Empty() || o == mailbox.Refused {
		return false, nil
	}
	code.Reveal(func(digits []byte) {
		if m.json {
			err = printJSON(w, codeView{viewOf(a), string(digits)})
			return
		}
		_, err = fmt.Fprintf(w, "Access code of mailbox %s (shown this once): %s\n", a.Extension, digits)
	})
	if err != nil {
		return false, fmt.Errorf("the code of mailbox %s is set but could not be shown; set another one: %w", a.Extension, err)
	}
	return true, nil
}

// coded tells what became of a mailbox whose code was set: the code, if it was
// generated, then what went wrong or that all is well.
func (m *mailboxes) coded(w io.Writer, f codeFrom, a mailbox.Account, code pin.PIN, err error, format string) error {
	shown, unseen := m.reveal(w, f, a, code, app.OutcomeOf(err))
	if err := errors.Join(unseen, err); err != nil || shown && m.json {
		return err
	}
	return m.done(w, a, format, a.Extension)
}
