package prompt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
)

// saidBy lists what a menu says when everything that it can offer is there.
func saidBy(m dialplan.Menu) (ids []ID) {
	if m.Say != "" {
		ids = append(ids, ID(m.Say))
	}
	for key, c := range m.Keys {
		switch c.Action {
		case dialplan.DoMenu, dialplan.DoTransfer:
			ids = append(ids, Option(c.Name, key[0]))
		case dialplan.DoLanguage:
			ids = append(ids, ID(c.Name)+"/"+Option("language", key[0]))
		default:
			ids = append(ids, Option(c.Action.String(), key[0]))
		}
	}
	return ids
}

// Every option of every menu that is shipped is recorded, and nobody has to listen
// for long.
func TestShippedMenusAreSaidWholeInEveryLanguage(t *testing.T) {
	cat, _ := voices()
	menus := 0
	for name, layout := range dialplan.Default().Layouts {
		for menu, m := range layout.Menus {
			for _, lang := range cat.Languages() {
				var length time.Duration
				for _, id := range saidBy(m) {
					a, ok := cat.Audio(lang, id, Words{})
					require.True(t, ok, "%s in %s", id, lang)
					length += a.Duration()
				}
				require.LessOrEqual(t, length, 12*time.Second, "the menu %s of %s in %s", menu, name, lang)
				menus++
			}
		}
	}
	require.Greater(t, menus, 6*len(cat.Languages()))
}
