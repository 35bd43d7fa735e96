package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/digest"
	"star97/internal/secret"
)

// At the own door the user that the telephone proves is the mailbox's, whatever its From
// says: here it says the same. No peer is believed.

// TestBaresipProvesWhoItIs by MD5: the one of Debian gives up where SHA-256 is offered as
// well.
func TestBaresipProvesWhoItIs(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		s, users := edge(t, udpAndTCP)
		addSIPUser(t, users)
		s.Sections["sip"] = strings.Replace(s.Sections["sip"], "digest: {realm", "digest: {algorithms: [MD5], realm", 1)
		v := startService(t, s)
		phone := startBaresip(t, v, baresipSetup{codec: "PCMU", transport: "udp", password: rightWord})
		changesTheCode(t, v, phone, ownDoor, "events")
		requireProved(t, v, phone)
	})
}

func TestLinphoneProvesWhoItIsUnderTLS(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		_, certificate := secured(t)
		s, users := edge(t, fmt.Sprintf(`{network: tls, address: "127.0.0.1:0", certificate: %q, key: %q}`,
			certificate, filepath.Join(filepath.Dir(certificate), "key.pem")))
		addSIPUser(t, users)
		s.Sections["sip"] = strings.Replace(s.Sections["sip"], "identity: digest", "identity: digest, transports: [tls], srtp: required", 1)
		v := startService(t, s)
		phone := startLinphone(t, v, linphoneSetup{codec: "PCMA", other: "PCMU", events: 1, authorities: certificate, password: rightWord})
		changesTheCode(t, v, phone, ownDoor, "events")
		requireProved(t, v, phone)
		require.Contains(t, phone.trace(t), "RTP/SAVP")
	})
}

// requireProved finds in the telephone's own log that it was asked, and answered.
func requireProved(t testing.TB, v *service, phone telephone) {
	t.Helper()
	trace := phone.trace(t)
	require.Contains(t, trace, "SIP/2.0 401 Unauthorized")
	require.Regexp(t, "Authorization: +Digest ", trace)
	require.NotContains(t, v.Stderr.String(), "wrong credentials")
	require.NotContains(t, v.Stderr.String(), rightWord)
}

// addSIPUser adds the user of the extension before the service starts.
func addSIPUser(t testing.TB, users string) {
	t.Helper()
	o := digest.DefaultOptions()
	o.Realm, o.UsersFile = "sip.example.org", users
	_, err := digest.Add(o, extension, secret.Of(rightWord), false)
	require.NoError(t, err)
}
