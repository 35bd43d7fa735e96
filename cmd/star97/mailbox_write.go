package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func (m *mailboxes) add() *cobra.Command {
	var a mailbox.Account
	var from codeFrom
	var noCode bool
	cmd := &cobra.Command{
		Use: "add EXTENSION", Short: "Add a mailbox", Args: cobra.ExactArgs(1),
		Example: "  star97 mailbox add 4001 --name 'Ann Example' --number 12125554001 --generate\n" +
			"  star97 mailbox add 4002 < code.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Extension, a.Domain = args[0], m.domain
			c, err := m.load()
			if err != nil {
				return err
			}
			var code pin.PIN
			return m.tried(cmd.Context(), c, func(s *app.Stores, c config.Config) (err error) {
				if err = s.Check(a); err == nil && !noCode {
					code, err = from.read(cmd, s, c, a)
				}
				return err
			}, func(s *app.Stores, c config.Config) error {
				made, err := s.Add(cmd.Context(), a, code, actor())
				if err := m.coded(cmd.OutOrStdout(), from, made, code, err, "Mailbox %s is added."); err != nil {
					return err
				}
				warnUnspoken(cmd.ErrOrStderr(), c, made.Language)
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Name, "name", "", "the owner's name")
	f.StringVar(&a.Language, "language", "", "BCP 47 tag, as en-US; empty: the service's own")
	f.StringVar(&a.Mail, "mail", "", "the owner's mail address, for notices and one-time codes")
	f.BoolVar(&a.Flags.Slow, "slow", false, "give the owner twice the time")
	f.StringSliceVar(&a.Numbers, "number", nil, "a number of the owner, digits only: who calls with it comes in by this mailbox's own door; may be repeated")
	f.BoolVar(&a.Flags.MustChange, "must-change", false, "the owner has to choose another code at the first call")
	f.BoolVar(&a.Flags.CannotChange, "cannot-change", false, "the code cannot be changed over the phone")
	f.BoolVar(&noCode, "no-code", false, "leave the mailbox without a code")
	from.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("no-code", "generate")
	cmd.MarkFlagsMutuallyExclusive("must-change", "cannot-change")
	return cmd
}

func (m *mailboxes) set() *cobra.Command {
	var name, language, mail string
	var slow, disabled, must, cannot bool
	cmd := &cobra.Command{
		Use: "set EXTENSION", Short: "Change what a mailbox is like, or close it", Args: cobra.ExactArgs(1),
		Long: "What is not named stays as it is, and so does the access code. Calls that come\n" +
			"from then on go by it.",
		Example: "  star97 mailbox set 4001 --language es-ES --slow\n" +
			"  star97 mailbox set 4001 --slow=false --name 'Ann Sample'\n" +
			"  star97 mailbox set 4001 --must-change --cannot-change=false\n" +
			"  star97 mailbox set 4001 --disabled --reason 'on leave'",
		RunE: func(cmd *cobra.Command, args []string) error {
			var e mailbox.Edit
			var flags mailbox.FlagEdit
			changed := cmd.Flags().Changed
			e.Name, e.Language = pick(changed("name"), &name), pick(changed("language"), &language)
			e.Mail = pick(changed("mail"), &mail)
			e.Slow, e.Disabled = pick(changed("slow"), &slow), pick(changed("disabled"), &disabled)
			flags.MustChange, flags.CannotChange = pick(changed("must-change"), &must), pick(changed("cannot-change"), &cannot)
			if e == (mailbox.Edit{}) && flags == (mailbox.FlagEdit{}) {
				return failed("nothing is to be changed; name what: --name, --language, --mail, --slow, --disabled, --must-change or --cannot-change")
			}
			return m.on(cmd.Context(), args[0], func(s *app.Stores, c config.Config, a mailbox.Account) error {
				a, err := m.alter(cmd.Context(), s, a, e, flags)
				if err != nil {
					return err
				}
				if e.Language != nil {
					warnUnspoken(cmd.ErrOrStderr(), c, a.Language)
				}
				return m.done(cmd.OutOrStdout(), a, "Mailbox %s is changed.", a.Extension)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "the owner's name")
	f.StringVar(&language, "language", "", "BCP 47 tag, as en-US; empty: the service's own")
	f.StringVar(&mail, "mail", "", "the owner's mail address, for notices and one-time codes; empty: none")
	f.BoolVar(&slow, "slow", false, "give the owner twice the time; --slow=false: no longer")
	f.BoolVar(&disabled, "disabled", false, "take no code for this mailbox; --disabled=false: take it again")
	f.BoolVar(&must, "must-change", false, "the owner has to choose another code at the next call; --must-change=false: no longer")
	f.BoolVar(&cannot, "cannot-change", false, "the code cannot be changed over the phone; --cannot-change=false: it can")
	m.reasonFlag(cmd)
	return cmd
}

// alter makes an edit and then one of flags, as far as there is something in them. A
// mailbox whose owner has to choose another code and cannot is left as it is.
func (m *mailboxes) alter(ctx context.Context, s *app.Stores, a mailbox.Account, e mailbox.Edit, flags mailbox.FlagEdit) (mailbox.Account, error) {
	flagged := flags != (mailbox.FlagEdit{})
	if flagged && given(flags.MustChange, a.Flags.MustChange) && given(flags.CannotChange, a.Flags.CannotChange) {
		return a, fmt.Errorf("mailbox %s would have to change its code and could not; say --must-change=false or --cannot-change=false", a.Extension)
	}
	edited := e != (mailbox.Edit{})
	if edited {
		var err error
		if a, err = s.Edit(ctx, a, e, actor(), m.reason); err != nil {
			return a, err
		}
	}
	if !flagged {
		return a, nil
	}
	a, err := s.SetFlags(ctx, a, flags, actor(), m.reason)
	if err != nil && edited {
		err = fmt.Errorf("everything but --must-change and --cannot-change is set; but: %s", plainly(err))
	}
	return a, err
}

// given is what a flag says, or what is without it.
func given(flag *bool, is bool) bool {
	if flag != nil {
		return *flag
	}
	return is
}

func (m *mailboxes) renumber() *cobra.Command {
	cmd := &cobra.Command{
		Use: "renumber EXTENSION NEW", Short: "Give a mailbox another extension and leave its code as it is", Args: cobra.ExactArgs(2),
		Example: "  star97 mailbox renumber 4001 4101 --reason 'moved to the first floor'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.on(cmd.Context(), args[0], func(s *app.Stores, _ config.Config, a mailbox.Account) error {
				a, err := s.Renumber(cmd.Context(), a, args[1], actor(), m.reason)
				if err != nil {
					return err
				}
				return m.done(cmd.OutOrStdout(), a, "Mailbox %s is %s now.", args[0], a.Extension)
			})
		},
	}
	m.reasonFlag(cmd)
	return cmd
}

// warnUnspoken tells of languages that mailboxes have been given and nobody has recorded:
// their owners go on in that of the route.
func warnUnspoken(w io.Writer, c config.Config, tags ...string) {
	slices.Sort(tags)
	tags = slices.DeleteFunc(slices.Compact(tags), func(tag string) bool { return tag == "" })
	if len(tags) == 0 {
		return
	}
	voice, _ := app.LoadVoice(c) // its problems are for serve and check to tell
	for _, tag := range tags {
		if !voice.Speaks(tag) {
			fmt.Fprintf(w, "warning: nobody has recorded %s, so its callers go on in their route's language; there are %s.\n", tag, strings.Join(voice.Languages(), ", "))
		}
	}
}

// pick is a flag's value where it was given.
func pick[T any](given bool, value *T) *T {
	if given {
		return value
	}
	return nil
}

func (m *mailboxes) setCode() *cobra.Command {
	var from codeFrom
	var mustChange bool
	cmd := &cobra.Command{
		Use: "set-code EXTENSION", Short: "Set a code without knowing the current one", Args: cobra.ExactArgs(1),
		Long: "Reads the new code from standard input (at a terminal it is not shown) or\n" +
			"generates one. The rules for new codes hold, as far as the store can tell also\n" +
			"about the codes that the mailbox has or had. A mailbox that wrong codes had closed\n" +
			"is open again.",
		Example: "  star97 mailbox set-code 4001 --generate --must-change\n  star97 mailbox set-code 4001 < code.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.on(cmd.Context(), args[0], func(s *app.Stores, c config.Config, a mailbox.Account) error {
				code, err := from.read(cmd, s, c, a)
				if err != nil {
					return err
				}
				err = s.SetCode(cmd.Context(), a, code, mustChange, actor(), m.reason)
				a.Flags.NoCode, a.Flags.MustChange = false, mustChange
				if a.Flags.Locked {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: mailbox %s stays locked; `star97 mailbox unlock` opens it.\n", a.Extension)
				}
				return m.coded(cmd.OutOrStdout(), from, a, code, err, "The code of mailbox %s is set.")
			})
		},
	}
	cmd.Flags().BoolVar(&mustChange, "must-change", false, "the owner has to choose another code at the next call")
	from.flags(cmd)
	m.reasonFlag(cmd)
	return cmd
}

// readCode reads a code that its owner is given.
func readCode(in io.Reader, notes io.Writer) (pin.PIN, error) {
	return readNew(in, notes, "access code", parseCode, func(a, b pin.PIN) bool { return a.Equal(&b) })
}

func parseCode(s string) (pin.PIN, error) {
	code, err := pin.Parse(s)
	if err != nil {
		return pin.PIN{}, err
	}
	if code.Empty() {
		return pin.PIN{}, errors.New("no code was given; write it to standard input, or use --generate")
	}
	return code, nil
}
