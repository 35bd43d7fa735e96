package pin

import "strings"

// common are words that people like to spell on the keypad: of love, of the house, of
// voicemail, first names, months; of the languages that are shipped.
const common = `
love pass code baby girl king home hola ciao amor papa mama john mike jose anna luis juan mary mark paul june july
angel lover house phone hello happy heart money music james david maria peter laura linda susan march april liebe amour amore sonne
friend secret family please summer winter flower monkey dragon soccer office access change michael jordan ashley daniel andrew
thomas robert carlos martin martha nicole amanda joshua august schatz sommer soleil bonita chiara chouchou
mailbox welcome message manager private numbers jessica anthony william michelle matthew october january bonjour famille
familia princess sunshine password football baseball computer internet business operator security telephone voicemail jennifer
alexander elizabeth christina christian february november december september passwort
iloveyou loveyou teamo tiamo jetaime ichliebedich mylove qwerty asdfgh
`

// words are those of the length.
func words(r *ranking) {
	for _, word := range strings.Fields(common) {
		s := spell(word, false)
		r.add(string(s.keys[:s.n]))
	}
}
