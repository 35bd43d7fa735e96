package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/config"
)

func pepperCommand() *cobra.Command {
	m := new(mailboxes)
	cmd := &cobra.Command{
		Use:   "pepper",
		Short: "Show and change the key that stored codes are mixed with",
		Long: "The stores of star97's own keep codes as hashes of the code and a secret key, the\n" +
			"pepper, which is not in the database.",
		Example: "  star97 pepper status\n  star97 pepper rotate --reason 'an administrator has left'",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	m.dataFlags(cmd.PersistentFlags())
	cmd.AddCommand(m.pepperStatus(), m.pepperRotate(), m.pepperUse())
	return cmd
}

// peppers runs use on the peppers of what is there.
func (m *mailboxes) peppers(ctx context.Context, use func(*app.Stores, []app.Pepper) error) error {
	c, err := m.begun()
	if err == nil && !app.Kept(c, m.data) {
		err = failed("none of star97's own stores has a database in the data folder %s, so there is no pepper yet; name the service's with --data and its configuration with --config", m.data)
	}
	if err != nil {
		return err
	}
	return m.opened(ctx, c, func(s *app.Stores, _ config.Config) error {
		all, err := s.Peppers(ctx)
		if err != nil {
			return err
		}
		return use(s, all)
	})
}

// keyView is a key as programs read it.
type keyView struct {
	Source  string   `json:"source"`
	Stores  []string `json:"stores"`
	Key     string   `json:"key"`
	Current bool     `json:"current"`
	Codes   int      `json:"codes"`
	Former  int      `json:"former_codes"`
}

func (m *mailboxes) pepperStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the keys and how many codes were made with each", Args: cobra.NoArgs,
		Long: "A key that no code needs any more, in force or former, can be removed from the file by\n" +
			"hand. A file that others can read is refused, by this command as by the service.",
		Example: "  star97 pepper status",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return m.peppers(cmd.Context(), func(_ *app.Stores, all []app.Pepper) error {
				if m.json {
					return printJSON(cmd.OutOrStdout(), keyViews(all))
				}
				return printPeppers(cmd.OutOrStdout(), all)
			})
		},
	}
}

func keyViews(all []app.Pepper) []keyView {
	views := []keyView{}
	for _, p := range all {
		for _, k := range p.Keys {
			views = append(views, keyView{p.Title, p.Stores, k.ID, k.Current, k.Codes, k.Former})
		}
	}
	return views
}

func printPeppers(w io.Writer, all []app.Pepper) error {
	for i, p := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s, for store %s\n", p.Title, strings.Join(p.Stores, ", "))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "KEY\tCODES\tFORMER CODES\tUSE")
		for _, k := range p.Keys {
			use := "old codes"
			switch {
			case k.Current:
				use = "new codes"
			case k.Codes+k.Former == 0:
				use = "none"
			}
			fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", k.ID, k.Codes, k.Former, use)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (m *mailboxes) pepperRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make a new key", Args: cobra.NoArgs,
		Long: "New codes use the new key, also in a service that runs. A code under an old key stays\n" +
			"right, and is stored under the new one when it is used next. Where several nodes share\n" +
			"a PostgreSQL database, the new key waits for `star97 pepper use`, so that its file can\n" +
			"be copied to every node first.",
		Example: "  star97 pepper rotate --reason 'an administrator has left'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return m.peppers(cmd.Context(), func(s *app.Stores, all []app.Pepper) error {
				for _, p := range all {
					kid, err := s.RotatePepper(cmd.Context(), p, actor(), m.reason)
					if err != nil {
						return err
					}
					if !m.json {
						fmt.Fprintf(cmd.OutOrStdout(), "%s has the new key %s. %s\n", p.Title, kid, afterRotation(p, kid))
					}
				}
				if !m.json {
					return nil
				}
				all, err := s.Peppers(cmd.Context())
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), keyViews(all))
			})
		},
	}
	m.reasonFlag(cmd)
	return cmd
}

func afterRotation(p app.Pepper, kid string) string {
	if p.Nodes {
		return "It is not used yet: copy the file to every other node, then say `star97 pepper use " + kid + "` on each."
	}
	return "New codes use it. Put the file into your next backup."
}

func (m *mailboxes) pepperUse() *cobra.Command {
	cmd := &cobra.Command{
		Use: "use KEY", Short: "Let new codes use a key that the pepper file has", Args: cobra.ExactArgs(1),
		Example: "  star97 pepper use K7QX2M4P --reason 'every node has it'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.peppers(cmd.Context(), func(s *app.Stores, all []app.Pepper) error {
				found := false
				for _, p := range all {
					for _, k := range p.Keys {
						if k.ID != args[0] {
							continue
						}
						found = true
						if err := s.UsePepper(cmd.Context(), p, k.ID, actor(), m.reason); err != nil {
							return err
						}
					}
				}
				if !found {
					return fmt.Errorf("no pepper has a key of that name; `star97 pepper status` shows the keys")
				}
				if m.json {
					all, err := s.Peppers(cmd.Context())
					if err != nil {
						return err
					}
					return printJSON(cmd.OutOrStdout(), keyViews(all))
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "New codes use this key.")
				return err
			})
		},
	}
	m.reasonFlag(cmd)
	return cmd
}
