package cue

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
)

func TestDetailsOfAUser(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want person
		ok   bool
	}{
		"as documented": {
			"Full Name: Ada Example\nFirst Name: Ada\nLast Name: Example\nNickname: ada\nPhone: 4001\nPhone(E.164): 12015550143\nLanguage: en_US\n",
			person{"ada", "4001", "12015550143", "Ada Example", "en-US"}, true,
		},
		"indented and quoted":   {"  FULL NAME :  \"Zoë: Example\"\n\tPhone:4001\n", person{id: "ada", extension: "4001", name: "Zoë: Example"}, true},
		"a number with a plus":  {"Phone: 4001\nPhone(E.164): +12015550143\n", person{id: "ada", extension: "4001", number: "12015550143"}, true},
		"no extension":          {"Full Name: Ada\nPhone:\nPhone(E.164):\nLanguage:\n", person{id: "ada", name: "Ada"}, true},
		"an extension of words": {"Phone: none\nPhone(E.164): -\n", person{id: "ada"}, true},
		"no such line":          {"Full Name: Ada\n", person{id: "ada", name: "Ada"}, false},
		"another text":          {"no such user\n", person{id: "ada"}, false},
		"a name of other bytes": {"Full Name: \xff\xfe\nPhone: 4001\n", person{id: "ada", extension: "4001"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := readDetail("ada", []byte(c.in))
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.want, p)
		})
	}
}

func TestLanguages(t *testing.T) {
	for in, want := range map[string]string{
		"en_US": "en-US", "en_ENU": "en-US", "de_DEU": "de-DE", "fr_FRA": "fr-FR", "es_ESP": "es-ES", "pt_BRA": "pt-BR", "en-GB": "en-GB",
		"EN_us": "en-US", "de": "de", "de_XYZ": "de", "": "", "system default": "", "systemDefault": "", "default": "", "1_2": "",
	} {
		require.Equal(t, want, language(in), in)
	}
}

func TestListsOfUsers(t *testing.T) {
	ids, err := readList([]byte("\n ada\nbob \n\nUser ids:\n2 users\n"), 10)
	require.NoError(t, err)
	require.Equal(t, []string{"ada", "bob"}, ids)
	ids, err = readList([]byte("\n"), 10)
	require.NoError(t, err)
	require.Empty(t, ids)
	_, err = readList([]byte("% Invalid input 4829\n"), 10)
	require.ErrorContains(t, err, "% Invalid input …")
	_, err = readList([]byte("ada\nbob\n"), 1)
	require.ErrorContains(t, err, "max_users")
}

// Whatever the system prints, what is read of it is safe to send back and to show.
func FuzzWhatIsReadIsOfItsForm(f *testing.F) {
	f.Add([]byte("ada\nbob\n"))
	f.Add([]byte("Full Name: Ada\nPhone: 4001\nPhone(E.164): +1201\nLanguage: en_US\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		ids, err := readList(answer, 100)
		require.LessOrEqual(t, len(ids), 100)
		for _, id := range ids {
			require.True(t, isID(id))
		}
		require.False(t, err != nil && len(ids) > 0)
		p, ok := readDetail("ada", answer)
		require.True(t, ok || p.extension == "")
		for _, n := range []string{p.extension, p.number} {
			require.True(t, n == "" || adapter.IsNumber(n), "%q", n)
		}
		require.True(t, p.language == "" || isTag(p.language), "%q", p.language)
		require.True(t, printable(p.name) && strings.ToValidUTF8(p.name, "") == p.name, "%q", p.name)
	})
}
