package syslog

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
)

func parsed(t testing.TB, text string) *rfc5424.SyslogMessage {
	t.Helper()
	m, err := rfc5424.NewParser().Parse([]byte(text))
	require.NoError(t, err, text)
	return m.(*rfc5424.SyslogMessage)
}

func TestAMessageSaysWhatTheRecordSays(t *testing.T) {
	r := record().Seal(audit.Head{})
	w := writer{facility: 10, enterprise: 32473, host: "host.example.com", version: "1.2.3"}
	text, err := w.message(r)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(text, "<85>1 2026-02-03T11:00:00.123456Z host.example.com star97 "), text)
	m := parsed(t, text)
	require.Equal(t, "login", *m.MsgID)
	sd := *m.StructuredData
	require.Equal(t, map[string]string{"software": "star97", "swVersion": "1.2.3", "enterpriseId": "32473"}, sd["origin"])
	require.Equal(t, map[string]string{
		"seq": "1", "node": "node-1", "action": "login", "stage": "whole", "outcome": "unknown", "result": "wrong-pin", "claim": "code", "door": "any",
		"mailbox": "a1", "extension": "4001", "source": "192.0.2.1 +15550100", "callId": `a"b]c\d`, "reason": "Jürgen, 佐藤", "policy": "strong",
		"hash": r.Hash.String(),
	}, sd["star97@32473"])
	for back, err := range audit.ReadLines(strings.NewReader(*m.Message + "\n")) {
		require.NoError(t, err)
		require.Equal(t, r, back)
	}
}

// Nobody but a caller makes a claim.
func TestWhatAnAdministratorDidHasNoClaim(t *testing.T) {
	r := audit.Record{Action: audit.Reset, Actor: "root"}
	text, err := writer{facility: 10, enterprise: 32473, version: "1"}.message(r.Seal(audit.Head{}))
	require.NoError(t, err)
	require.NotContains(t, (*parsed(t, text).StructuredData)["star97@32473"], "claim")
}

// A name without a number would be one that only IANA gives (RFC 5424 section 7).
func TestWithoutANumberOfOnesOwnThereIsNoNameForTheFields(t *testing.T) {
	text, err := writer{facility: 13, version: "1"}.message(record().Seal(audit.Head{}))
	require.NoError(t, err)
	m := parsed(t, text)
	require.Equal(t, map[string]map[string]string{"origin": {"software": "star97", "swVersion": "1"}}, *m.StructuredData)
	require.Nil(t, m.Hostname)
	require.Contains(t, *m.Message, `"mailbox":"a1"`)
}

func TestSeverities(t *testing.T) {
	for want, all := range map[uint8][]audit.Record{
		warning: {
			{Action: audit.Lock}, {Action: audit.Find, Result: mailbox.Unavailable},
			{Action: audit.Change, Stage: audit.Ended, Result: mailbox.OutcomeUnknown},
		},
		notice:        {{Action: audit.Login, Result: mailbox.WrongPIN}, {Action: audit.Change, Outcome: mailbox.Refused}},
		informational: {{Action: audit.Login}, {Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Done}},
	} {
		for _, r := range all {
			require.Equal(t, want, severity(&r), "%+v", r)
		}
	}
}

// Whatever stands in a record, the message parses and every text comes back.
func FuzzMessage(f *testing.F) {
	f.Add("plain", `a"b]c\d`, "x@y z=")
	f.Add("\\", "]", "\u2028")
	f.Fuzz(func(t *testing.T, reason, source, version string) {
		r := audit.Record{Time: time.Unix(1, 0), Action: audit.Reset, Reason: reason, Source: source}.Clean().Seal(audit.Head{})
		text, err := writer{facility: 10, enterprise: 1, host: printable(source, maxHost), version: printable(version, maxVersion)}.message(r)
		require.NoError(t, err)
		require.True(t, utf8.ValidString(text))
		require.NotContains(t, text, "\n")
		m := parsed(t, text)
		sd := (*m.StructuredData)["star97@1"]
		require.Equal(t, r.Reason, sd["reason"])
		require.Equal(t, r.Source, sd["source"])
		require.Equal(t, printable(version, maxVersion), (*m.StructuredData)["origin"]["swVersion"])
		for back, err := range audit.ReadLines(strings.NewReader(*m.Message + "\n")) {
			require.NoError(t, err)
			require.True(t, back.Holds())
		}
	})
}

func TestOptions(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	require.False(t, DefaultOptions().On())
	for name, c := range map[string]struct {
		set  func(o *Options)
		says string // empty: nothing is wrong
	}{
		"TLS anywhere":        {func(o *Options) { o.Address = "logs.example.com:6514" }, ""},
		"UDP here":            {func(o *Options) { o.Address, o.Network = "[::1]:514", overUDP }, ""},
		"TCP here":            {func(o *Options) { o.Address, o.Network = "localhost:514", overTCP }, ""},
		"TCP elsewhere":       {func(o *Options) { o.Address, o.Network = "192.0.2.1:514", overTCP }, "tcp is not encrypted; use network tls, or say plain: true"},
		"TCP elsewhere, said": {func(o *Options) { o.Address, o.Network, o.Plain = "192.0.2.1:514", overTCP, true }, ""},
		"no port":             {func(o *Options) { o.Address = "logs.example.com" }, "write the collector as host:port"},
		"a port in words":     {func(o *Options) { o.Address = "logs.example.com:https" }, "write the collector as host:port"},
		"no such port":        {func(o *Options) { o.Address = "logs.example.com:99999" }, "write the collector as host:port"},
		"port 0":              {func(o *Options) { o.Address = "logs.example.com:0" }, "write the collector as host:port"},
		"a host with a blank": {func(o *Options) { o.Address = "logs example.com:6514" }, "write the collector as host:port"},
		"network":             {func(o *Options) { o.Network = "sctp" }, `network is "sctp"; use tls, tcp or udp`},
		"facility":            {func(o *Options) { o.Facility = "kern" }, `facility is "kern"`},
		"half a certificate":  {func(o *Options) { o.CertFile = "x" }, "cert_file and key_file belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			c.set(&o)
			if c.says == "" {
				require.NoError(t, o.Validate())
				return
			}
			require.ErrorContains(t, o.Validate(), c.says)
			_, err := New(nil, o, "", "", nil)
			require.Error(t, err)
		})
	}
	o := DefaultOptions()
	o.CertFile, o.KeyFile, o.TLS.CAFile = "c", "/k", "a"
	o = o.In("/etc/star97")
	require.Equal(t, []string{"/etc/star97/c", "/k", "/etc/star97/a"}, []string{o.CertFile, o.KeyFile, o.TLS.CAFile})
}
