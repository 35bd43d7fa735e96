package sdp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/srtp"
)

// secured is a telephone's offer over a transport with some a=crypto values.
func secured(transport string, crypto ...string) []byte {
	lines := []string{"v=0", "o=- 1 1 IN IP4 198.51.100.8", "s=-", "c=IN IP4 198.51.100.8", "t=0 0",
		"m=audio 6000 " + transport + " 0 101", "a=rtpmap:101 telephone-event/8000"}
	for _, c := range crypto {
		lines = append(lines, "a=crypto:"+c)
	}
	return text(lines...)
}

func with(s Security) Local {
	l := us()
	l.Security = s
	return l
}

// cryptoOf are the values of a description's a=crypto lines.
func cryptoOf(body []byte) (all []string) {
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "a=crypto:"); ok {
			all = append(all, value)
		}
	}
	return all
}

func TestKeysOfAnOfferAreAnswered(t *testing.T) {
	theirs, weak := srtp.NewKey(srtp.AES128SHA80), srtp.NewKey(srtp.AES128SHA32)
	for name, c := range map[string]struct {
		setting   Security
		transport string
		crypto    []string
		protected bool
		err       error
	}{
		"protected":              {Either, "RTP/SAVP", []string{theirs.Attribute(1)}, true, nil},
		"with feedback":          {Either, "RTP/SAVPF", []string{theirs.Attribute(1)}, true, nil},
		"required":               {Required, "RTP/SAVP", []string{theirs.Attribute(1)}, true, nil},
		"the first that we have": {Required, "RTP/SAVP", []string{"1 F8_128_HMAC_SHA1_80 inline:AAAA", theirs.Attribute(2), weak.Attribute(3)}, true, nil},
		"opportunistic":          {Either, "RTP/AVP", []string{theirs.Attribute(7)}, true, nil},
		"plain":                  {Either, "RTP/AVP", nil, false, nil},
		"plain, keys unusable":   {Either, "RTP/AVP", []string{"1 x y"}, false, nil},
		"off, keys offered":      {Plain, "RTP/AVP", []string{theirs.Attribute(1)}, false, nil},
		"off":                    {Plain, "RTP/SAVP", []string{theirs.Attribute(1)}, false, ErrSecurity},
		"required, plain":        {Required, "RTP/AVP", nil, false, ErrSecurity},
		"no key that we have":    {Either, "RTP/SAVP", []string{"1 x y"}, false, ErrSecurity},
		"no key":                 {Required, "RTP/SAVP", nil, false, ErrSecurity},
	} {
		t.Run(name, func(t *testing.T) {
			answer, got, err := Answer(secured(c.transport, c.crypto...), with(c.setting))
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Contains(t, string(answer), "m=audio 20000 "+c.transport+" 0 101")
			if !c.protected {
				require.Empty(t, cryptoOf(answer))
				require.Zero(t, got.OurKey.Suite())
				require.Zero(t, got.TheirKey.Suite())
				return
			}
			require.True(t, got.TheirKey.Equal(&theirs))
			require.Equal(t, theirs.Suite(), got.OurKey.Suite())
			require.False(t, got.OurKey.Equal(&theirs), "each direction has its own key")
			taken := c.crypto[len(c.crypto)-1]
			if len(c.crypto) == 3 {
				taken = c.crypto[1]
			}
			tag, _, _ := strings.Cut(taken, " ")
			require.Equal(t, []string{tag + " " + got.OurKey.Suite().String() + " " + got.OurKey.Inline()}, cryptoOf(answer))
		})
	}
}

func TestOurKeyStaysInASession(t *testing.T) {
	theirs := srtp.NewKey(srtp.AES128SHA80)
	local := with(Either)
	_, first, err := Answer(secured("RTP/SAVP", theirs.Attribute(1)), local)
	require.NoError(t, err)
	local.Key = first.OurKey
	_, again, err := Answer(secured("RTP/SAVP", theirs.Attribute(2)), local)
	require.NoError(t, err)
	require.True(t, again.OurKey.Equal(&first.OurKey))
	other := srtp.NewKey(srtp.AES128GCM)
	_, changed, err := Answer(secured("RTP/SAVP", other.Attribute(1)), local)
	require.NoError(t, err)
	require.Equal(t, srtp.AES128GCM, changed.OurKey.Suite())

	local.Settled = secured("RTP/SAVP", theirs.Attribute(1))
	ours := Offer(local)
	require.Contains(t, string(ours), "m=audio 20000 RTP/SAVP ")
	require.Equal(t, []string{first.OurKey.Attribute(1)}, cryptoOf(ours))
}

func TestKeysOfOurOfferAreAccepted(t *testing.T) {
	for setting, transport := range map[Security]string{Plain: "RTP/AVP", Either: "RTP/AVP", Required: "RTP/SAVP"} {
		ours := Offer(with(setting))
		require.Contains(t, string(ours), "m=audio 20000 "+transport+" 0 8 101")
		if setting == Plain {
			require.Empty(t, cryptoOf(ours))
			continue
		}
		require.Len(t, cryptoOf(ours), len(srtp.Suites()))
		theirs := srtp.NewKey(srtp.Suites()[2])
		got, err := Accept(ours, secured(transport, theirs.Attribute(3)), with(setting))
		require.NoError(t, err)
		require.True(t, got.TheirKey.Equal(&theirs))
		require.Equal(t, cryptoOf(ours)[2], got.OurKey.Attribute(3))
		_, err = Accept(ours, secured(transport, theirs.Attribute(2)), with(setting))
		require.ErrorIs(t, err, ErrAnswer, "the tag of another suite")
		_, err = Accept(ours, secured(transport, theirs.Attribute(9)), with(setting))
		require.ErrorIs(t, err, ErrAnswer, "a tag of none")
		got, err = Accept(ours, secured(transport), with(setting))
		if setting == Required {
			require.ErrorIs(t, err, ErrSecurity)
			continue
		}
		require.NoError(t, err, "they need not protect what they were only offered")
		require.Zero(t, got.OurKey.Suite())
	}
}

func TestNoKeyIsShown(t *testing.T) {
	theirs := srtp.NewKey(srtp.AES128SHA80)
	_, got, err := Answer(secured("RTP/SAVP", theirs.Attribute(1)), with(Required))
	require.NoError(t, err)
	shown := fmt.Sprintf("%v %+v %#v", got, got, got)
	require.NotContains(t, shown, theirs.Inline()[len("inline:"):][:8])
	_, _, err = Answer(secured("RTP/SAVP", theirs.Attribute(1)), us())
	require.NotContains(t, err.Error(), theirs.Inline()[len("inline:"):][:8])
}

// Both sides of a call come to the same, whatever each wants.
func TestBothSidesAgreeOnProtection(t *testing.T) {
	for caller := Plain; caller <= Required; caller++ {
		for callee := Plain; callee <= Required; callee++ {
			ours := Offer(with(caller))
			answer, callees, err := Answer(ours, with(callee))
			if caller+callee == Required+Plain && caller != callee {
				require.ErrorIs(t, err, ErrSecurity, "%d calls %d", caller, callee)
				continue
			}
			require.NoError(t, err, "%d calls %d", caller, callee)
			callers, err := Accept(ours, answer, with(caller))
			require.NoError(t, err)
			require.True(t, callers.OurKey.Equal(&callees.TheirKey))
			require.True(t, callers.TheirKey.Equal(&callees.OurKey))
			require.Equal(t, caller != Plain && callee != Plain, callers.OurKey.Suite() != 0)
		}
	}
}
