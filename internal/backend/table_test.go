package backend

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/httpapi"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func TestTheDefaultDriverOpensWithItsDefaults(t *testing.T) {
	o := DefaultOptions().In(t.TempDir())
	require.NoError(t, o.Validate())
	b, err := Open(t.Context(), o)
	require.NoError(t, err)
	found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, b.Close())
}

// A field of Options that is a driver's section has all that a row of the table needs; the
// compiler cannot tell, since what lacks a method is only another field.
func TestEveryFieldOfOptionsIsADriver(t *testing.T) {
	known := []string{"driver", "verify", "find", "-"}
	fields := reflect.TypeFor[Options]()
	for i := range fields.NumField() {
		if name := fields.Field(i).Tag.Get("yaml"); !slices.Contains(known, name) {
			require.Contains(t, Names(), name, "%v lacks a method of section", fields.Field(i).Type)
		}
	}
	require.Equal(t, "sqlite", Names()[0], "the first one is the default")
}

// Whatever a driver lacks before it can be opened is told with its key.
func TestEveryDriverSaysWhatItIsAndWhatItLacks(t *testing.T) {
	for _, name := range Names() {
		o := DefaultOptions()
		o.Driver = name
		traits, err := Declared(name)
		require.NoError(t, err)
		require.NotEmpty(t, traits.System, name)
		require.NotEmpty(t, traits.AtRest, name)
		if traits.Check == mailbox.NoCheck {
			require.ErrorContains(t, o.Validate(), "verify.by is empty", name)
		}
		if err := o.Validate(); err != nil {
			for line := range strings.Lines(err.Error()) {
				require.Regexp(t, "^("+name+`\.|verify\.)[a-z_.]+`, line)
			}
		}
	}
}

func TestWhatIsWrongIsNamedWithItsDriver(t *testing.T) {
	o := DefaultOptions()
	o.Driver = "aliens"
	require.ErrorContains(t, o.Validate(), `driver is "aliens": use one of sqlite`)
	_, err := Open(t.Context(), o)
	require.ErrorContains(t, err, "use one of sqlite")

	o = DefaultOptions().In(t.TempDir())
	o.SQLite.Database.Path = t.TempDir()
	b, err := Open(t.Context(), o)
	require.Error(t, err)
	require.True(t, b == nil, "what did not open is nothing, not a nil pointer that looks like something")

	o = DefaultOptions()
	o.SQLite.Cost.Passes = 0
	require.ErrorContains(t, o.Validate(), "sqlite.cost.passes is 0: use 2 to 100")
	o.SQLite = DefaultOptions().SQLite
	o.SQLite.Database.Path = ""
	require.ErrorContains(t, o.Validate(), "sqlite.database.path is empty")
}

// A driver that asks a server tells the log of its store of it, from the configuration's
// Log on.
func TestDriversThatAskTellTheLog(t *testing.T) {
	for _, f := range drivers {
		o := DefaultOptions()
		_, own := o.at(f).(filed)
		_, tells := o.at(f).(logging)
		require.Equal(t, !own && f.name != "postgres", tells, "%s: a driver of a foreign system has a method LogTo", f.name)
	}
	f := fake.New(t)
	var said conformance.Log
	o := DefaultOptions()
	o.Driver, o.Log = "webhook", said.Logger().With("store", "west")
	o.Webhook.API.URL, o.Webhook.API.TLS.CAFile, o.Webhook.API.Timeout = f.URL, f.CAFile, 10*time.Second
	o.Webhook.Keys = httpapi.Keys{{ID: fake.KeyID, Secret: secret.Source{File: f.KeyFile}}}
	b, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	_, err = b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Regexp(t, `level=DEBUG msg="backend asked" store=west host=\S+ op=lookup status=200 size=\d+`, said.String())
}
