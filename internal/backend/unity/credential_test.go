package unity

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/conformance"
	"star97/internal/backend/httpapi"
	"star97/internal/backend/unity/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

var now = time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)

func TestTimesOfTheServersClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	const m = 5 * time.Minute
	for name, c := range map[string]struct {
		text string
		zone *time.Location
		want span
	}{
		"zone known":                    {"2026-03-05 11:00:00.000", time.UTC, span{true, time.Hour - m, time.Hour + m}},
		"zone ahead of ours":            {"2026-03-05 12:00:00.344", berlin, span{true, time.Hour - m - 344*time.Millisecond, time.Hour + m - 344*time.Millisecond}},
		"zone not known":                {"2026-03-05 11:00:00.000", nil, span{true, time.Hour - 12*time.Hour - m, time.Hour + 14*time.Hour + m}},
		"just changed, far east":        {"2026-03-06 01:59:00.000", nil, span{true, -13*time.Hour - 59*time.Minute - 12*time.Hour - m, time.Minute + m}},
		"a clock a little fast":         {"2026-03-05 12:04:00.000", time.UTC, span{true, -9 * time.Minute, time.Minute}},
		"a clock that is wrong by days": {"2026-03-09 12:00:00.000", time.UTC, span{false, -96*time.Hour - m, -96*time.Hour + m}},
		"without a fraction":            {"2026-03-05 11:00:00", time.UTC, span{true, time.Hour - m, time.Hour + m}},
		"none":                          {"", time.UTC, span{}},
		"another form":                  {"05.03.2026 11:00", time.UTC, span{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Store{zone: c.zone, o: Options{Margin: m}}
			require.Equal(t, c.want, s.since(c.text, now))
		})
	}
}

func TestWhyAnOwnerCannotChange(t *testing.T) {
	day := rules{minAge: 24 * time.Hour, lockout: 30 * time.Minute}
	for name, c := range map[string]struct {
		credential credential
		rules      rules
		want       mailbox.Code
	}{
		"nothing stands against it":      {credential{}, day, mailbox.OK},
		"locked by an administrator":     {credential{locked: true, cantChange: true}, day, mailbox.Locked},
		"locked by wrong codes":          {credential{hacked: true}, day, mailbox.Locked},
		"that lock may last":             {credential{hacked: true, hackedFor: span{true, 29 * time.Minute, 31 * time.Minute}}, day, mailbox.Locked},
		"that lock is over":              {credential{hacked: true, hackedFor: span{true, 31 * time.Minute, 33 * time.Minute}}, day, mailbox.OK},
		"that lock ends by hand only":    {credential{hacked: true, hackedFor: span{true, 31 * time.Minute, 33 * time.Minute}}, rules{}, mailbox.Locked},
		"cannot change":                  {credential{cantChange: true}, day, mailbox.CannotChange},
		"surely too soon":                {credential{changed: span{true, 23 * time.Hour, 24*time.Hour - 1}}, day, mailbox.TooSoon},
		"perhaps too soon":               {credential{changed: span{true, 23 * time.Hour, 24 * time.Hour}}, day, mailbox.OK},
		"too soon by a clock of no use":  {credential{changed: span{false, -time.Hour, -time.Minute}}, day, mailbox.OK},
		"a rule without a minimum":       {credential{changed: span{true, 0, time.Minute}}, rules{}, mailbox.OK},
		"must change is no hindrance":    {credential{mustChange: true}, day, mailbox.OK},
		"a young code that must change":  {credential{mustChange: true, changed: span{true, 0, time.Minute}}, day, mailbox.OK},
		"rules that could not be read":   {credential{changed: span{true, 0, 0}}, rules{}, mailbox.OK},
		"locked and too soon: told once": {credential{locked: true, changed: span{true, 0, 0}}, day, mailbox.Locked},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, mailbox.CodeOf(c.credential.refusal("change", c.rules)))
		})
	}
}

func TestARuleBecomesAPolicy(t *testing.T) {
	trivial := adapter.Trivial(pin.Policy{})
	with := func(p pin.Policy, alter func(*pin.Policy)) pin.Policy { alter(&p); return p }
	for name, c := range map[string]struct {
		rule record
		want rules
	}{
		"as the system is delivered": {
			record{
				"MinLength": "6", "TrivialCredChecking": "true", "PrevCredCount": "5", "MinDuration": "1440", "MinCharsToChange": "1",
				"MaxHacks": "3", "HackResetTime": "30", "LockoutDuration": "30",
			},
			rules{with(trivial, func(p *pin.Policy) { p.MinLen, p.Current, p.History = 6, true, 5 }), 24 * time.Hour, 3, 30 * time.Minute, 30 * time.Minute},
		},
		"nothing asked":      {record{"MinLength": "0", "TrivialCredChecking": "false"}, rules{}},
		"trivial alone":      {record{"TrivialCredChecking": "True"}, rules{policy: trivial}},
		"history alone":      {record{"PrevCredCount": "12"}, rules{policy: pin.Policy{Current: true, History: 12}}},
		"digits that differ": {record{"MinCharsToChange": "3"}, rules{policy: pin.Policy{Current: true, NearCurrent: true}}},
		"longer than a code": {record{"MinLength": "64"}, rules{policy: pin.Policy{MinLen: pin.MaxDigits}}},
		"numbers of no use":  {record{"MinLength": "-4", "MaxHacks": "many", "MinDuration": "99999999999999999999"}, rules{}},
		"a minimum of years": {record{"MinDuration": "9999999999"}, rules{minAge: 3660 * 24 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, readRules(c.rule))
			require.NoError(t, c.want.policy.Validate())
		})
	}
}

func TestReasonsOfARefusedCode(t *testing.T) {
	s := &Store{o: DefaultOptions()}
	const j, x = "application/json", "application/xml"
	for name, c := range map[string]struct {
		kind, body string
		want       mailbox.Code
		says       string
	}{
		"XML":                    {x, `<ErrorDetails><errors><code>INVALID_CREDENTIAL</code><message>Error saving password: Trivial passwords or PINs</message></errors></ErrorDetails>`, mailbox.Trivial, "INVALID_CREDENTIAL"},
		"JSON":                   {j, `{"errors":{"code":"INVALID_CREDENTIAL","message":"shorter than the minimum length"}}`, mailbox.TooShort, "INVALID_CREDENTIAL"},
		"JSON of another shape":  {j, `{"ErrorDetails":{"errors":[{"code":"A","message":"It was one of the previous PINs"}]}}`, mailbox.InHistory, ""},
		"too soon":               {x, `<ErrorDetails><message>Minimum duration between credential changes</message></ErrorDetails>`, mailbox.TooSoon, ""},
		"no word is known":       {x, `<ErrorDetails><errors><code>IMS_ERROR</code><message>Invalid Credential</message></errors></ErrorDetails>`, mailbox.PolicyOther, "IMS_ERROR"},
		"no words at all":        {x, ``, mailbox.PolicyOther, ""},
		"text without a form":    {"text/plain", `history`, mailbox.InHistory, ""},
		"broken off":             {x, `<ErrorDetails><errors><message>trivial`, mailbox.Trivial, ""},
		"the code in the answer": {x, `<ErrorDetails><errors><code>PIN_739164</code><message>739164 is trivial</message></errors></ErrorDetails>`, mailbox.Trivial, ""},
		"a page for people":      {"text/html", `<html>Bad request: length</html>`, mailbox.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := httpapi.Answer{Status: 400, Header: http.Header{"Content-Type": {c.kind}}, Body: []byte(c.body)}
			err := s.refused("change", a)
			require.Equal(t, c.want, mailbox.CodeOf(err))
			require.Contains(t, err.Error(), c.says)
			require.NotContains(t, err.Error(), "739164")
		})
	}
}

// The words are the configuration's: another language of the server needs others.
func TestRefusalsCanBeSet(t *testing.T) {
	s := &Store{o: Options{Refusals: []adapter.Refusal{{Words: "zu kurz", Means: "too-short"}, {Words: "KURZ", Means: "policy-other"}, {Words: "trivial", Means: "trivial"}}}}
	for text, want := range map[string]mailbox.Code{
		"Die PIN ist zu kurz.": mailbox.TooShort, "Kurz und trivial": mailbox.PolicyOther, "trivial": mailbox.Trivial, "length": mailbox.PolicyOther,
	} {
		a := httpapi.Answer{Status: 400, Body: []byte(text)}
		require.Equal(t, want, mailbox.CodeOf(s.refused("change", a)), text)
	}
}

// FuzzRefused claims that whatever the answer holds, a refusal is one of the codes that
// the settings can name, and says nothing that has a digit of it.
func FuzzRefused(f *testing.F) {
	s := &Store{o: DefaultOptions()}
	f.Add("application/xml", "<ErrorDetails><code>A_B</code>739164</ErrorDetails>")
	f.Add("application/json", `{"errors":{"code":"739164"}}`)
	f.Add("", "739164 trivial")
	f.Fuzz(func(t *testing.T, kind, body string) {
		err := s.refused("change", httpapi.Answer{Status: 400, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)})
		require.Contains(t, append(slices.Clone(adapter.Refusals), mailbox.Unavailable), mailbox.CodeOf(err))
		require.NotRegexp(t, `\d`, strings.Replace(err.Error(), "answered 400", "", 1))
	})
}

func TestMinimumAge(t *testing.T) {
	first, second := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	for name, c := range map[string]struct {
		zone    string
		changed time.Duration // ago
		lenient bool          // the server does not hold administrators to it
		want    mailbox.Code
	}{
		"too soon":                                  {"UTC", time.Hour, true, mailbox.TooSoon},
		"old enough":                                {"UTC", 25 * time.Hour, true, mailbox.OK},
		"within the margin the system decides":      {"UTC", 24*time.Hour - time.Minute, false, mailbox.TooSoon},
		"within the margin, and it takes it":        {"UTC", 24*time.Hour - time.Minute, true, mailbox.OK},
		"zone not known: surely too soon":           {"", time.Hour, true, mailbox.TooSoon},
		"zone not known: perhaps, the system knows": {"", 12 * time.Hour, false, mailbox.TooSoon},
		"zone not known: perhaps, it takes it":      {"", 12 * time.Hour, true, mailbox.OK},
	} {
		t.Run(name, func(t *testing.T) {
			b := makeBed(t, func(o *Options, f *fake.Server) {
				o.TimeZone, f.Lenient = c.zone, c.lenient
				f.SetRule(fake.PhoneRule, func(r *fake.Rule) { r.MinDuration = 24 * time.Hour })
			})
			id := b.fake.Put(fake.Mailbox{Extension: "4001", Changed: time.Now().Add(-c.changed)}, first)
			r := b.Change(t.Context(), mailbox.Account{ID: id, Extension: "4001"}, first, second, mailbox.Attempt{})
			require.Equal(t, c.want, r.Reason, "%v", r.Err)
			require.Equal(t, c.want == mailbox.OK, b.fake.Has(id, second))
			require.NotEqual(t, mailbox.Unknown, r.Outcome)
		})
	}
}
