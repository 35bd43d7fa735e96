package sqldb

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestTheAgeOfACode(t *testing.T) {
	day := 24 * time.Hour
	each(t, Age{MaxAge: 90 * day, ExpiryNotice: 10 * day, MinAge: day}, func(t *testing.T, s *Store) {
		a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
		flags := func() mailbox.Flags { return shown(t, s, a).Flags }
		change := func(from, to string) mailbox.Result {
			return s.Change(t.Context(), a, codeOf(t, from), codeOf(t, to), at)
		}
		require.Equal(t, a, shown(t, s, a), "told as it was added")
		refused(t, mailbox.TooSoon, change("482915", "739164"))
		refused(t, mailbox.WrongPIN, change("111111", "739164"))
		aged(t, s, a, day+time.Second)
		require.Equal(t, mailbox.Flags{}, flags())
		require.Equal(t, mailbox.Proved(), change("482915", "739164"))
		refused(t, mailbox.TooSoon, change("739164", "482915"))

		aged(t, s, a, 80*day-time.Hour)
		require.Equal(t, mailbox.Flags{}, flags())
		aged(t, s, a, 80*day+time.Hour)
		require.Equal(t, mailbox.Flags{Expiring: true}, flags())
		aged(t, s, a, 90*day+time.Hour)
		require.Equal(t, mailbox.Flags{Expired: true}, flags())
		require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "739164"), at), "an old code lets its owner in to change it")
		yes := true
		b, err := s.SetFlags(t.Context(), a, mailbox.FlagEdit{CannotChange: &yes}, "test", "")
		require.NoError(t, err)
		require.Equal(t, mailbox.Flags{CannotChange: true}, b.Flags, "who cannot change it does not have to")
		no := false
		_, err = s.SetFlags(t.Context(), a, mailbox.FlagEdit{CannotChange: &no}, "test", "")
		require.NoError(t, err)
		require.Equal(t, mailbox.Proved(), change("739164", "482915"))
		require.Equal(t, mailbox.Flags{TooSoon: true}, flags())

		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, codeOf(t, "605172"), true, "test", ""), "nor is an administrator too soon")
		require.Equal(t, mailbox.Proved(), change("605172", "806317"), "who has to change it is not too soon")
		require.Equal(t, mailbox.Flags{NoCode: true}, shown(t, s, add(t, s, mailbox.Account{Extension: "4002"}, pin.PIN{})).Flags)
	})
}

func TestAgesThatCannotBe(t *testing.T) {
	require.NoError(t, Age{}.Validate())
	require.NoError(t, Age{MaxAge: 2160 * time.Hour, ExpiryNotice: 240 * time.Hour, MinAge: time.Hour}.Validate())
	for says, age := range map[string]Age{
		"max_age is 1h0m0s: use 24h to 87600h":          {MaxAge: time.Hour},
		"expiry_notice is 1h0m0s: use 0 to max_age (0s": {ExpiryNotice: time.Hour},
		"min_age is -1s: use 0 to 8760h":                {MinAge: -time.Second},
		"min_age 48h0m0s is not less than max_age":      {MaxAge: 24 * time.Hour, MinAge: 48 * time.Hour},
	} {
		require.ErrorContains(t, age.Validate(), says)
		o := DefaultOptions()
		o.Age = age
		require.ErrorContains(t, o.Validate(), says)
		p := DefaultPostgresOptions()
		p.Server.Host, p.Age = "localhost", age
		require.ErrorContains(t, p.Validate(), says)
	}
}
