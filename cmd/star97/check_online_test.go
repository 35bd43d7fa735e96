package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTellsWhatWouldBeRegistered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, word := filepath.Join(dir, "star97.yaml"), filepath.Join(dir, "word")
	require.NoError(t, os.WriteFile(config, []byte(`sip: {peers: [{name: pbx, registration: account}]}
registrations: [{name: account, registrar: "192.0.2.10:5070", user: 4970@example.org, password: {file: word}, outbound_proxy: "sips:192.0.2.11", contact_user: "*97"}]
`), 0o600))
	out, _, code := star97(t, "", "check", "--config", config)
	require.Equal(t, 1, code)
	require.Contains(t, out, fmt.Sprintf("%s:2: registrations[0].password: the secret's file %s is missing: write the secret into it, with mode 0600.", config, word))

	const line = "registration account: sip:4970@example.org at 192.0.2.10:5070 by sips:192.0.2.11; its calls are the peer pbx's and have the number *97\n"
	out, _, _ = star97(t, "", "check", "--config", config, "--explain", "*97", "--from", "192.0.2.11")
	require.Contains(t, out, "--from pbx tells what its calls get")

	_, errs, code := star97(t, "", "serve", "--config", config, "--data", filepath.Join(dir, "data"))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "is missing: write the secret into it", "serve begins nothing without it")

	require.NoError(t, os.WriteFile(word, []byte("quite-a-secret-97"), 0o600))
	out, errs, code = star97(t, "", "check", "--config", config)
	require.Zero(t, code, errs)
	require.Equal(t, line+"No problem found.\n", out, "nobody is asked")
	out, errs, code = star97(t, "", "check", "--config", config, "--online")
	require.Zero(t, code, errs)
	require.Equal(t, line+"  tried in this order: tls 192.0.2.11:5061\nNo problem found.\n", out)
	out, _, code = star97(t, "", "check", "--config", config, "--online", "--json")
	require.Zero(t, code)
	require.JSONEq(t, "[]", out)
	out, _, _ = star97(t, "", "check", "--config", config, "--print")
	require.NotContains(t, out, "quite-a-secret-97")
}
