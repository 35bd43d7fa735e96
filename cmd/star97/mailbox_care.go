package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
)

func (m *mailboxes) lock() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lock EXTENSION", Short: "Close a mailbox until `star97 mailbox unlock` opens it", Args: cobra.ExactArgs(1),
		Long: "No code is taken and none can be changed at either door, whoever calls, however long\n" +
			"it lasts. The code stays as it is.",
		Example: "  star97 mailbox lock 4001 --reason 'telephone was stolen'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.on(cmd.Context(), args[0], func(s *app.Stores, _ config.Config, a mailbox.Account) error {
				a, err := s.Lock(cmd.Context(), a, actor(), m.reason)
				if err != nil {
					return err
				}
				return m.done(cmd.OutOrStdout(), a, "Mailbox %s is locked.", a.Extension)
			})
		},
	}
	m.reasonFlag(cmd)
	return cmd
}

func (m *mailboxes) unlock() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unlock EXTENSION", Short: "Open a mailbox that wrong codes or an administrator have closed", Args: cobra.ExactArgs(1),
		Example: "  star97 mailbox unlock 4001 --reason 'owner called, identity checked'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.on(cmd.Context(), args[0], func(s *app.Stores, _ config.Config, a mailbox.Account) error {
				if err := s.Unlock(cmd.Context(), a, actor(), m.reason); err != nil {
					return err
				}
				a.Flags.Locked = false
				return m.done(cmd.OutOrStdout(), a, "Mailbox %s is open at both doors.", a.Extension)
			})
		},
	}
	m.reasonFlag(cmd)
	return cmd
}

func (m *mailboxes) reassign() *cobra.Command {
	var next mailbox.Account
	cmd := &cobra.Command{
		Use: "reassign EXTENSION", Short: "Give a mailbox to another person", Args: cobra.ExactArgs(1),
		Long: "Clears everything about the person who had the mailbox: the access code and those\n" +
			"before it, name, address, language, pace and own numbers, every lock, wrong codes and\n" +
			"one-time codes. The extension stays. What is named here of the new person takes its\n" +
			"place. The mailbox has no code then: set one with `star97 mailbox set-code`, or let\n" +
			"the owner choose it where the dialplan allows first use.",
		Example: "  star97 mailbox reassign 4001 --name 'Bob Example' --mail bob@example.com --reason 'Ann has left'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if next.Name == "" {
				return failed("name the person who gets mailbox %s with --name", args[0])
			}
			return m.on(cmd.Context(), args[0], func(s *app.Stores, c config.Config, was mailbox.Account) error {
				a, err := s.Reassign(cmd.Context(), was, next, actor(), m.reason)
				if err != nil {
					return err
				}
				warnUnspoken(cmd.ErrOrStderr(), c, a.Language)
				return m.reassigned(cmd.OutOrStdout(), was, a)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&next.Name, "name", "", "the new owner's name")
	f.StringVar(&next.Mail, "mail", "", "the new owner's mail address, for notices and one-time codes")
	f.StringVar(&next.Language, "language", "", "BCP 47 tag, as en-US; empty: the service's own")
	f.BoolVar(&next.Flags.Slow, "slow", false, "give the new owner twice the time")
	f.StringSliceVar(&next.Numbers, "number", nil, "a number of the new owner, digits only; may be repeated")
	m.reasonFlag(cmd)
	return cmd
}

// reassigned tells what went with the person who had the mailbox.
func (m *mailboxes) reassigned(w io.Writer, was, is mailbox.Account) error {
	cleared := []string{"the codes before it", "wrong codes", "one-time codes"}
	for _, what := range []struct {
		there bool
		words string
	}{
		{len(was.Numbers) > 0, "own numbers " + strings.Join(was.Numbers, ", ")},
		{was.Flags.Slow, "pace"},
		{was.Language != "", "language " + was.Language},
		{was.Mail != "", "address " + was.Mail},
		{was.Name != "", "name " + was.Name},
		{!was.Flags.NoCode, "access code"},
	} {
		if what.there {
			cleared = append([]string{what.words}, cleared...)
		}
	}
	if states := viewOf(was).State; !was.Flags.NoCode && states[0] != "ok" {
		cleared = append(cleared, "state "+strings.Join(states, ", "))
	}
	if m.json {
		return printJSON(w, struct {
			view
			Cleared []string `json:"cleared"`
		}{viewOf(is), cleared})
	}
	_, err := fmt.Fprintf(w, "Mailbox %s is %s's now and has no access code. Cleared: %s.\n", is.Extension, is.Name, strings.Join(cleared, "; "))
	return err
}
