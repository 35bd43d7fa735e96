package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/app"
	"star97/internal/backup"
	"star97/internal/config"
)

func backupCommand() *cobra.Command {
	m := new(mailboxes)
	var rest, broken bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Copy everything that star97 has stored into one file", Args: cobra.ExactArgs(1),
		Long: "Copies the databases of the data folder as they are at one moment, also while the\n" +
			"service runs, the pepper, and the users of sip.digest.users_file, with a checksum of\n" +
			"each. A file that is there already is left alone. The configuration and what it names\n" +
			"beside them are not in it: dialplan, certificates, passwords at other systems,\n" +
			"recordings of your own. Codes and passwords of telephones are in it as hashes only, but\n" +
			"with the pepper beside them, and such a hash is all that a telephone needs to call:\n" +
			"keep it as secret as the codes. The audit trail is verified first. A database on a\n" +
			"PostgreSQL server is not copied: run pg_dump first, then this with --rest.",
		Example: "  star97 backup /srv/backup/star97-$(date +%F).tar",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.begun()
			if err == nil && !app.Recorded(c, m.data) {
				err = failed("the data folder %s has no audit trail, so no service has begun there and there is nothing to back up; name the service's with --data and its configuration with --config", m.data)
			}
			if err != nil {
				return err
			}
			return m.opened(cmd.Context(), c, func(s *app.Stores, c config.Config) error {
				made, err := s.Backup(cmd.Context(), app.Copying{
					File: args[0], Node: c.Audit.Node, Version: version, Users: c.SIP.Digest.UsersFile,
					By: actor(), Reason: m.reason, Rest: rest, BrokenTrail: broken,
				})
				if err != nil {
					return err
				}
				if m.json {
					return printJSON(cmd.OutOrStdout(), made)
				}
				return printBackup(cmd.OutOrStdout(), args[0], made)
			})
		},
	}
	m.dataFlags(cmd.Flags())
	m.reasonFlag(cmd)
	cmd.Flags().BoolVar(&broken, "broken-trail", false, "copy an audit trail that is not whole, as it is")
	cmd.Flags().BoolVar(&rest, "rest", false, "leave out databases on servers, of which you have made a dump")
	return cmd
}

func printBackup(w io.Writer, name string, m backup.Manifest) error {
	var size int64
	can := "compute codes"
	for _, f := range m.Files {
		size += f.Size
		if f.Kind == backup.SIPUsers {
			can += " and call as any SIP user"
		}
	}
	fmt.Fprintf(w, "%s holds %d files, %d kB, as of %s. Whoever has it can %s: keep it where nobody else reads it.\n",
		name, len(m.Files), (size+999)/1000, m.Made.Format(time.RFC3339), can)
	for _, what := range m.Missing {
		fmt.Fprintf(w, "Note: %s.\n", what)
	}
	return nil
}

func restoreCommand() *cobra.Command {
	m := new(mailboxes)
	var force, broken bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of what star97 has stored", Args: cobra.ExactArgs(1),
		Long: "Refuses while a service runs on the folder, and where something is there already.\n" +
			"Before it touches anything it checks the checksums, opens each database with its\n" +
			"pepper, verifies the audit trail and reads the SIP users. Everything goes where the\n" +
			"configuration has it, and belongs to the owner of the data folder if root runs this.\n" +
			"Codes and SIP users that were changed after the backup are the old ones again, and a\n" +
			"head of the audit trail that was noted after it is not in it.",
		Example: "  star97 restore /srv/backup/star97-2026-11-22.tar --data /var/lib/star97",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.load()
			if err != nil {
				return err
			}
			r, err := app.Restore(cmd.Context(), c, app.Restoring{File: args[0], Data: m.data, By: actor(), Reason: m.reason, Force: force, BrokenTrail: broken})
			if err != nil {
				return failed("%s", plainly(err))
			}
			if m.json {
				return printJSON(cmd.OutOrStdout(), restoredView(r))
			}
			return printRestored(cmd.OutOrStdout(), r)
		},
	}
	m.dataFlags(cmd.Flags())
	m.reasonFlag(cmd)
	cmd.Flags().BoolVar(&broken, "broken-trail", false, "use a backup whose audit trail is not whole")
	cmd.Flags().BoolVar(&force, "force", false, "move aside what is there; nothing is deleted")
	return cmd
}

func restoredView(r app.Restored) map[string]any {
	stores := map[string]int{}
	for name, n := range r.Mailboxes {
		if name == "" {
			name = "default"
		}
		stores[name] = n
	}
	view := map[string]any{
		"made": r.Made, "version": r.Version, "mailboxes": stores, "audit_records": r.Trail.Seq, "audit_head": r.Trail.Hash,
		"audit_whole": r.Broken == nil, "moved_aside": r.Aside, "missing": r.Missing,
	}
	if r.Broken != nil {
		view["audit_problem"] = r.Broken.Error()
	}
	return view
}

func printRestored(w io.Writer, r app.Restored) error {
	n := 0
	for _, boxes := range r.Mailboxes {
		n += boxes
	}
	state := "whole"
	if r.Broken != nil {
		state = "broken (" + r.Broken.Error() + ")"
	}
	fmt.Fprintf(w, "The backup of %s is restored: mailboxes: %d; audit trail: %d records, %s, head %s.\n", r.Made.Format(time.RFC3339), n, r.Trail.Seq, state, r.Trail.Hash)
	for _, name := range r.Aside {
		fmt.Fprintf(w, "Moved aside: %s\n", name)
	}
	for _, what := range r.Missing {
		fmt.Fprintf(w, "Note: %s.\n", what)
	}
	return nil
}
