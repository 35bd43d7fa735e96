package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/register"
)

func TestRegistrationsHaveDefaultsAndNeedAPeer(t *testing.T) {
	const peers = "sip: {peers: [{name: p, registration: account}, {name: q, registration: other, addresses: [192.0.2.1]}]}\n"
	c, found := Load(written(t, peers+"registrations:\n- {name: account, registrar: example.org, user: a, password: {file: word}, expires: 1h}\n- {name: other, registrar: 192.0.2.1, user: b, keep_alive: 0s}\n"))
	require.Empty(t, found)
	want := register.DefaultOptions()
	want.Name, want.Registrar, want.User, want.Expires = "account", "example.org", "a", time.Hour
	require.Equal(t, "word", filepath.Base(c.Registrations[0].Password.File))
	require.True(t, filepath.IsAbs(c.Registrations[0].Password.File))
	want.Password = c.Registrations[0].Password
	require.Equal(t, want, c.Registrations[0])
	require.Zero(t, c.Registrations[1].KeepAlive)
	require.Empty(t, c.Warnings())

	text, err := c.YAML()
	require.NoError(t, err)
	again, found := Load(written(t, string(text)))
	require.Empty(t, found)
	require.Equal(t, c.Registrations, again.Registrations, "what is printed is read to the same")
}

func TestWhatIsWrongWithRegistrationsHasItsLine(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want []string
	}{
		"an option": {"sip:\n  peers:\n  - {name: p, registration: account}\nregistrations:\n- name: account\n  registrar: \"sip:a@b\"\n  user: a\n",
			[]string{"star97.yaml:6: registrations[0]: registrar is \"sip:a@b\"; write a host"}},
		"a key that there is not": {"sip:\n  peers:\n  - {name: p, registration: account}\nregistrations:\n- name: account\n  registrar: b\n  user: a\n  pasword: {env: X}\n",
			[]string{"star97.yaml:8: "}},
		"no peer": {"registrations:\n- {name: account, registrar: b, user: a}\n",
			[]string{"star97.yaml:2: The calls of the registration account are no peer's, so none would be taken. Write registration: account at one of sip.peers."}},
		"no registration": {"sip:\n  peers:\n  - name: p\n    registration: account\n",
			[]string{"star97.yaml:4: There is no registration account. Name one of registrations, or add it there."}},
		"two peers": {"sip:\n  peers:\n  - {name: p, registration: account}\n  - {name: q, registration: account}\nregistrations:\n- {name: account, registrar: b, user: a}\n",
			[]string{"star97.yaml:4: The calls of the registration account are the peer p's already."}},
		"one name": {"sip:\n  peers:\n  - {name: p, registration: account}\nregistrations:\n- {name: account, registrar: b, user: a}\n- {name: account, registrar: c, user: a}\n",
			[]string{"star97.yaml:6: registrations[0] and registrations[1] have one name, account."}},
		"another transport": {"sip:\n  peers:\n  - name: p\n    registration: account\n    transports: [tls]\nregistrations:\n- {name: account, registrar: b, user: a}\n",
			[]string{"star97.yaml:5: The calls of the registration account come by udp or tcp, which this peer does not use."}},
		"callers who prove who they are": {"sip:\n  digest: {realm: r, users_file: users}\n  peers:\n  - name: p\n    registration: account\n    identity: digest\nregistrations:\n- {name: account, registrar: \"sip:b;transport=tcp\", user: a}\n",
			[]string{"star97.yaml:6: The calls of the registration account come from its registrar, which cannot prove who calls."}},
		"neither address nor registration": {"sip:\n  peers:\n  - {name: p}\n",
			[]string{"peers[0].addresses is empty; list the IPs or prefixes that p calls from, or name its registration"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := problems(t, row.text)
			require.Len(t, found, len(row.want), "%v", found)
			for i, want := range row.want {
				require.Contains(t, found[i], want)
			}
		})
	}
}

func TestRegistrationsAreTakenOverByAReload(t *testing.T) {
	c, found := Load(written(t, "sip: {peers: [{name: p, registration: account}]}\nregistrations: [{name: account, registrar: b, user: a}]\n"))
	require.Empty(t, found)
	then, taken, waiting, err := Default().Takeover(c)
	require.NoError(t, err)
	require.Empty(t, waiting)
	require.Equal(t, []string{"sip.peers", "registrations"}, taken)
	require.Equal(t, c.Registrations, then.Registrations)
}

// What is told as a mistake is no warning as well, with words left out.
func TestUsersThatAreNotNamedAreAMistakeAlone(t *testing.T) {
	c, found := Load(written(t, "sip: {peers: [{name: e, addresses: [0.0.0.0/0], identity: digest}]}\n"))
	require.Len(t, found, 2)
	require.Empty(t, c.Warnings())
}
