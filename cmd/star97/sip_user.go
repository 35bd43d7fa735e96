package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/digest"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func sipUserCommand() *cobra.Command {
	m := new(mailboxes)
	cmd := &cobra.Command{
		Use:   "sip-user",
		Short: "Manage the users who call by digest authentication",
		Long: "Peers of the configuration with identity: digest take calls of these users alone, from\n" +
			"wherever they come. Their names and hashes of their passwords are in the file that\n" +
			"sip.digest.users_file names; a service that runs has a change in use within seconds.\n" +
			"Who added, replaced or removed one is in the audit trail of the data folder.\n" +
			"At the own door a user's mailbox is that of the same number, or what identities of the\n" +
			"dialplan say.",
		Example: "  star97 sip-user add 4001 --generate --config star97.yaml\n  star97 sip-user list --config star97.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	m.dataFlags(cmd.PersistentFlags())
	cmd.AddCommand(m.sipUserAdd(), m.sipUserRemove(), m.sipUserList())
	return cmd
}

// sipUserSite is the configuration, which says where the users are.
func (m *mailboxes) sipUserSite() (config.Config, error) {
	c, err := m.load()
	if err != nil || c.SIP.Digest.Realm != "" && c.SIP.Digest.UsersFile != "" {
		return c, err
	}
	return c, failed("the configuration names no realm and file of SIP users: write sip.digest.realm and sip.digest.users_file into it, and give it with --config")
}

// sipUserView is a user as programs read it.
type sipUserView struct {
	User       string   `json:"user"`
	Realm      string   `json:"realm"`
	Algorithms []string `json:"algorithms"`
}

func (m *mailboxes) sipUserAdd() *cobra.Command {
	var generate, replace bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a user with a password", Args: cobra.ExactArgs(1),
		Long: "Reads the password from standard input (at a terminal it is not shown, and asked for\n" +
			"twice) or generates one, which is printed once. Only its hashes are kept, for each of\n" +
			"sip.digest.algorithms.",
		Example: "  star97 sip-user add 4001 --generate --config star97.yaml\n  star97 sip-user add 4001 --replace --config star97.yaml < password.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.sipUserSite()
			if err == nil {
				err = m.there()
			}
			if err != nil {
				return err
			}
			password := secret.Of(rand.Text())
			if !generate {
				if password, err = readPassword(cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
					return exitError{1, err}
				}
			}
			who := app.SIPUser{Options: c.SIP.Digest, Name: args[0]}
			if err := digest.Addable(who.Options, who.Name, password, replace); err != nil {
				return exitError{1, sipUserRefused(who, err)}
			}
			return m.opened(cmd.Context(), c, func(s *app.Stores, _ config.Config) error {
				made, err := s.AddSIPUser(cmd.Context(), who, password, replace, actor(), m.reason)
				if app.OutcomeOf(err) == mailbox.Refused {
					return sipUserRefused(who, err)
				}
				if made && os.Geteuid() == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "The file %s is new and root's: give it to the user that star97 runs as, with chown.\n", who.UsersFile)
				}
				if !generate {
					password = secret.Secret{}
				}
				return errors.Join(m.sipUserAdded(cmd.OutOrStdout(), who, password), err)
			})
		},
	}
	m.reasonFlag(cmd)
	cmd.Flags().BoolVar(&generate, "generate", false, "generate a password and print it once")
	cmd.Flags().BoolVar(&replace, "replace", false, "give a user who is there another password")
	return cmd
}

// sipUserRefused adds what to do to why a user is not added, replaced or removed.
func sipUserRefused(who app.SIPUser, err error) error {
	switch {
	case errors.Is(err, digest.ErrKnown):
		return fmt.Errorf("%w; --replace gives that one another password", err)
	case errors.Is(err, digest.ErrUnknown):
		return fmt.Errorf("%w in the realm %s; `star97 sip-user list` shows who is there", err, who.Realm)
	}
	return err
}

// sipUserAdded tells of a new user, and of the password if we have made it.
func (m *mailboxes) sipUserAdded(w io.Writer, who app.SIPUser, password secret.Secret) error {
	v := sipUserView{User: who.Name, Realm: who.Realm}
	for _, a := range who.Offered() {
		v.Algorithms = append(v.Algorithms, a.String())
	}
	made := password.Reveal()
	if m.json {
		return printJSON(w, struct {
			sipUserView
			Generated string `json:"password,omitempty"`
		}{v, made})
	}
	fmt.Fprintf(w, "User %s of %s can call now.\n", v.User, v.Realm)
	if made != "" {
		fmt.Fprintf(w, "Password, shown this once: %s\n", made)
	}
	return nil
}

func (m *mailboxes) sipUserRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Remove a user", Args: cobra.ExactArgs(1),
		Long:    "The user's calls in progress go on.",
		Example: "  star97 sip-user remove 4001 --config star97.yaml --reason 'telephone was stolen'",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.sipUserSite()
			if err == nil {
				err = m.there()
			}
			if err != nil {
				return err
			}
			who := app.SIPUser{Options: c.SIP.Digest, Name: args[0]}
			if err := digest.Removable(who.Options, who.Name); err != nil {
				return exitError{1, sipUserRefused(who, err)}
			}
			return m.opened(cmd.Context(), c, func(s *app.Stores, _ config.Config) error {
				err := s.RemoveSIPUser(cmd.Context(), who, actor(), m.reason)
				switch {
				case err != nil:
					return sipUserRefused(who, err)
				case m.json:
					return printJSON(cmd.OutOrStdout(), sipUserView{User: who.Name, Realm: who.Realm, Algorithms: []string{}})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "User %s of %s can no longer call.\n", who.Name, who.Realm)
				return err
			})
		},
	}
	m.reasonFlag(cmd)
	return cmd
}

func (m *mailboxes) sipUserList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the users", Args: cobra.NoArgs,
		Long:    "Users of another realm than sip.digest.realm are listed too, but cannot call.",
		Example: "  star97 sip-user list --config star97.yaml --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := m.sipUserSite()
			if err != nil {
				return err
			}
			all, err := digest.Users(c.SIP.Digest)
			if err != nil {
				return exitError{1, err}
			}
			views := sipUserViews(all)
			if m.json {
				return printJSON(cmd.OutOrStdout(), views)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "USER\tREALM\tALGORITHMS")
			for _, v := range views {
				fmt.Fprintf(t, "%s\t%s\t%s\n", v.User, v.Realm, strings.Join(v.Algorithms, " "))
			}
			return t.Flush()
		},
	}
}

// sipUserViews gathers the lines of each user.
func sipUserViews(all []digest.Entry) []sipUserView {
	views := []sipUserView{}
	for _, e := range all {
		if n := len(views); n > 0 && views[n-1].User == e.User && views[n-1].Realm == e.Realm {
			views[n-1].Algorithms = append(views[n-1].Algorithms, e.Algorithm.String())
			continue
		}
		views = append(views, sipUserView{User: e.User, Realm: e.Realm, Algorithms: []string{e.Algorithm.String()}})
	}
	return views
}

// readPassword reads the password that a telephone is given.
func readPassword(in io.Reader, notes io.Writer) (secret.Secret, error) {
	return readNew(in, notes, "password", func(line string) (secret.Secret, error) {
		if line == "" {
			return secret.Secret{}, errors.New("no password was given; write it to standard input, or use --generate")
		}
		return secret.Of(line), nil
	}, func(a, b secret.Secret) bool { return a.Reveal() == b.Reveal() })
}
