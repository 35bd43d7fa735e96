package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What serve would not start with, or could not work with, check tells without asking
// another machine.
func TestCheckReadsEverySecretThatIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"good": 0o600, "open": 0o644, "short": 0o600} {
		text := "a-key-of-quite-some-length\n"
		if name == "short" {
			text = "few\n"
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	const (
		hook = "notify:\n  webhook:\n    api: {url: \"http://127.0.0.1:1/told\"}\n    keys:\n      - id: one\n        secret: {%s}\n"
		mail = "notify: {mail: {host: localhost, user: star97, from: a@example.com, password: {%s}}}\n"
		http = "store:\n  driver: webhook\n  webhook: {api: {url: \"http://127.0.0.1:1/codes\"}, keys: [{id: one, secret: {%s}}]}\n"
		tls  = "store: {driver: webhook, webhook: {api: {url: \"https://127.0.0.1:1\"%s}, keys: [{id: one, secret: {file: good}}]}}\n"
		next = "stores:\n  next:\n    driver: webhook\n    webhook: {api: {url: \"https://127.0.0.1:1\"}, keys: [{id: one, secret: {%s}}]}\n"
		sql  = "store:\n  driver: sqlite\n  sqlite: {pepper: {%s}}\n"
		pg   = "store: {driver: postgres, postgres: {server: {host: 127.0.0.1%s}}}\n"
		log  = "audit: {syslog: {address: \"127.0.0.1:1\"%s}}\n"
	)
	for i, one := range []struct {
		config, value string
		line          int
		told          string // empty: nothing
	}{
		{hook, "file: good", 0, ""},
		{hook, "file: none", 6, "notify.webhook.keys[0].secret: the secret's file " + filepath.Join(dir, "none") + " is missing: write"},
		{hook, "file: open", 6, "is open to other users (mode 0644): run chmod 600 on it"},
		{hook, "file: short", 5, "notify.webhook.keys[0]: secret has fewer than 16 bytes: make a longer one"},
		{hook, "env: STAR97_TEST_UNSET", 6, "STAR97_TEST_UNSET is empty or not set: set it before star97 starts"},
		{mail, "file: good", 0, ""},
		{mail, "file: open", 1, "notify.mail.password: the secret's file"},
		{mail, "env: STAR97_TEST_UNSET", 1, "notify.mail.password: the environment variable STAR97_TEST_UNSET"},
		{http, "file: good", 0, ""},
		{http, "file: short", 3, "store.webhook.keys[0]: secret has fewer than 16 bytes"},
		{tls, ", tls: {ca_file: none}", 1, "store.webhook.api.tls: tls.ca_file: there is no file"},
		{next, "file: good", 0, ""},
		{next, "file: open", 4, "stores.next.webhook.keys[0].secret: the secret's file"},
		{sql, "env: STAR97_TEST_UNSET", 3, "store.sqlite.pepper: the environment variable STAR97_TEST_UNSET"},
		{sql, "command: /nowhere/vault", 3, "store.sqlite.pepper: the command that is to print the pepper cannot be run"},
		{pg, "", 0, ""},
		{pg, ", password: {file: none}", 1, "store.postgres.server.password: the secret's file"},
		{pg, ", tls: {ca_file: good}", 1, "holds no certificate"},
		{log, "", 0, ""},
		{log, ", cert_file: good, key_file: good", 1, "audit.syslog: cert_file: " + filepath.Join(dir, "good") + " holds no certificate in PEM"},
		{log, ", tls: {ca_file: none}", 1, "audit.syslog.tls: tls.ca_file: there is no file"},
		{tls + "stores: {next: {unity: {password: {file: none}}}}\n", "", 0, ""}, // another driver is used there
	} {
		config := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, one.config, one.value), 0o600))
		out, errs, code := star97(t, "", "check", "--config", config)
		if one.told == "" {
			require.Zero(t, code, "%s%s%s", fmt.Sprintf(one.config, one.value), out, errs)
			continue
		}
		require.Equal(t, 1, code, fmt.Sprintf(one.config, one.value)+out)
		require.Contains(t, out, one.told)
		require.Contains(t, out, fmt.Sprintf("%s:%d: ", config, one.line), out)
		require.NotContains(t, out, "a-key-of")
	}
}
