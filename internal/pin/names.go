package pin

import (
	"bytes"
	"strings"
	"unicode"
)

const (
	minNamePart = 4  // letters of a name that a code must not contain: shorter ones stand in too many codes
	maxName     = 64 // letters of a name that are looked at
)

// spellsName tells whether digits contain a word of a name as it is spelled on the
// keypad, or are the beginning of the name from one of its words on.
func spellsName(digits []byte, names []string) bool {
	for _, name := range names {
		if isIn(digits, spell(name, false)) || isIn(digits, spell(name, true)) {
			return true
		}
	}
	return false
}

// spelling is a name as digits, without what stands between its words.
type spelling struct {
	keys   [maxName + 1]byte
	begins [maxName + 1]bool // a word, or the end
	n      int
}

func isIn(digits []byte, name spelling) bool {
	for i := range name.n {
		if !name.begins[i] {
			continue
		}
		end := i + 1
		for !name.begins[end] {
			end++
		}
		if word := name.keys[i:end]; len(word) >= minNamePart && bytes.Contains(digits, word) ||
			len(digits) >= minNamePart && bytes.HasPrefix(name.keys[i:name.n], digits) {
			return true
		}
	}
	return false
}

// spell reads a name as keys of the telephone (ITU-T E.161). Some write umlauts with
// an e behind the letter.
func spell(name string, umlauts bool) (s spelling) {
	word := false
	for _, r := range name {
		letter, second := plainLetter(unicode.ToLower(r), umlauts)
		if letter == 0 {
			word = false
			continue
		}
		for _, c := range [...]byte{letter, second} {
			if c == 0 || s.n == maxName {
				continue
			}
			s.begins[s.n] = !word
			s.keys[s.n] = keyOf(c)
			s.n++
			word = true
		}
	}
	s.begins[s.n] = true
	return s
}

// keyOf is the key of a letter from a to z.
func keyOf(c byte) byte { return "22233344455566677778889999"[c-'a'] }

// accented are the letters of European names and what they are typed as.
var accented = [...]struct {
	plain   byte
	letters string
}{
	{'a', "àáâãäåāăą"}, {'c', "çćĉċč"}, {'d', "ďđð"}, {'e', "èéêëēĕėęě"}, {'g', "ĝğġģ"}, {'h', "ĥħ"}, {'i', "ìíîïĩīĭįı"},
	{'j', "ĵ"}, {'k', "ķ"}, {'l', "ĺļľŀł"}, {'n', "ñńņňŋ"}, {'o', "òóôõöøōŏő"}, {'r', "ŕŗř"}, {'s', "śŝşšș"},
	{'t', "ţťŧțþ"}, {'u', "ùúûüũūŭůűų"}, {'w', "ŵ"}, {'y', "ýÿŷ"}, {'z', "źżž"},
}

// plainLetter is what a lower-case letter is typed as, and a second one; 0: none.
func plainLetter(r rune, umlauts bool) (letter, second byte) {
	switch {
	case r >= 'a' && r <= 'z':
		return byte(r), 0
	case r < 0x80:
		return 0, 0
	case r == 'ß':
		return 's', 's'
	case r == 'æ':
		return 'a', 'e'
	case r == 'œ':
		return 'o', 'e'
	case umlauts && strings.ContainsRune("äöü", r):
		second = 'e'
	}
	for i := range accented {
		if strings.ContainsRune(accented[i].letters, r) {
			return accented[i].plain, second
		}
	}
	return 0, 0
}
