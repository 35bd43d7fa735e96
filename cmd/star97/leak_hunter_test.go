package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hunter looks for codes in everything that a program wrote: as they are, reversed,
// encoded, hashed and spread over records. Codes of ten digits without equal
// neighbours make a chance find unlikely: some ten million places, each looked at for
// a hundred codes among 3.9e9, in one run of hundreds.
type hunter struct {
	needles map[uint32][]needle // by their first four bytes
	codes   map[string]string   // digits, in both directions, to the form
	sizes   []int               // lengths of codes
}

// needle is one encoded form of a code. A folded one is in lower case.
type needle struct {
	form   string
	text   []byte
	folded bool
}

// find is one leak: where, in which form, and what stands around it.
type find struct{ where, form, excerpt string }

func newHunter(codes ...string) *hunter {
	h := &hunter{needles: map[uint32][]needle{}, codes: map[string]string{}}
	for _, code := range codes {
		back := reversed(code)
		h.codes[code], h.codes[back] = "plain", "reversed"
		if !slices.Contains(h.sizes, len(code)) {
			h.sizes = append(h.sizes, len(code))
		}
		for _, text := range []string{code, back} {
			h.encodings([]byte(text))
		}
		h.hashes(code)
		h.numbers(code)
	}
	return h
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func (h *hunter) add(form string, text []byte, folded bool) {
	if len(text) < 5 { // would be found everywhere
		return
	}
	if folded {
		text = bytes.ToLower(text)
	}
	head := binary.LittleEndian.Uint32(text)
	h.needles[head] = append(h.needles[head], needle{form, text, folded})
}

// encodings are ways to write a text that are not the text itself. UTF-16, UTF-32 and
// evenly separated digits are found by stride.
func (h *hunter) encodings(text []byte) {
	each := func(form, format string, folded bool) {
		var b strings.Builder
		for _, c := range text {
			fmt.Fprintf(&b, format, c)
		}
		s := b.String()
		h.add(form, []byte(s[:strings.LastIndexAny(s, "0123456789abcdefABCDEF")+1]), folded)
	}
	for _, format := range []string{"%02x", "%02x ", "%02x:", "%02x-", "%02x,", `\x%02x`, "0x%02x,", "0x%02x, ", "%%%02x", `\u%04x`, "&#x%02x;"} {
		each("hex "+format, format, true)
	}
	for _, format := range []string{"%d ", "%d,", "%d, ", "&#%d;", `\%03o`} {
		each("character codes "+format, format, false)
	}
	for shift := range 3 {
		padded := append(bytes.Repeat([]byte{'?'}, shift), text...)
		for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			s := e.EncodeToString(padded)
			from := (8*shift + 5) / 6 // characters before it hold foreign bits
			to := 8 * len(padded) / 6
			h.add(fmt.Sprintf("%s at %d", name, shift), []byte(s[from:to]), false)
		}
	}
	h.add("base32", []byte(strings.TrimRight(base32.StdEncoding.EncodeToString(text), "="))[:8*len(text)/5], true)
	if len(text)%2 == 0 {
		packed, _ := hex.DecodeString(string(text))
		h.add("packed decimal", packed, false)
		swapped := make([]byte, len(packed))
		for i, b := range packed {
			swapped[i] = b<<4 | b>>4
		}
		h.add("packed decimal, nibbles swapped", swapped, false)
	}
}

// hashes are those of the code alone; the beginning of one is enough.
func (h *hunter) hashes(code string) {
	for _, text := range []string{code, code + "\n"} {
		b := []byte(text)
		m, s1, s224, s256, s384, s512 := md5.Sum(b), sha1.Sum(b), sha256.Sum224(b), sha256.Sum256(b), sha512.Sum384(b), sha512.Sum512(b)
		for name, sum := range map[string][]byte{
			"MD5": m[:], "SHA-1": s1[:], "SHA-224": s224[:], "SHA-256": s256[:], "SHA-384": s384[:], "SHA-512": s512[:],
		} {
			const enough = 9 // bytes
			sum = sum[:enough]
			h.add(name, sum, false)
			h.add(name+" hex", []byte(hex.EncodeToString(sum)), true)
			h.add(name+" base64", []byte(base64.StdEncoding.EncodeToString(sum)), false)
			h.add(name+" base64url", []byte(base64.URLEncoding.EncodeToString(sum)), false)
		}
	}
}

// numbers are the code as one number.
func (h *hunter) numbers(code string) {
	n, err := strconv.ParseUint(code, 10, 64)
	if err != nil {
		return
	}
	const width = 6 // SQLite keeps numbers of this size in six bytes
	h.add("number, big endian", binary.BigEndian.AppendUint64(nil, n)[8-width:], false)
	h.add("number, little endian", binary.LittleEndian.AppendUint64(nil, n)[:width], false)
	h.add("floating point, big endian", binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(n))), false)
	h.add("floating point, little endian", binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(n))), false)
	h.add("floating point text", []byte(strconv.FormatFloat(float64(n), 'e', -1, 64)), true)
	for _, before := range "x=:\" " { // eight hexadecimal digits alone are found by chance
		h.add("number in hex", []byte(string(before)+strconv.FormatUint(n, 16)), true)
	}
}

// separators may stand between the digits of a code, in any mixture.
const separators = " \t,;:.-_/|\"'[](){}<>\\"

// longestStride is the most bytes from one digit of a code to its next, if evenly spaced: an RTP packet with one
// event, written in hex, and a space.
const longestStride = 41

// hunt looks through one thing that was written.
func (h *hunter) hunt(where string, data []byte) (found []find) {
	report := func(form string, from, to int) {
		from, to = max(0, from-40), min(len(data), to+40)
		found = append(found, find{where, form, fmt.Sprintf("%q", data[from:to])})
	}
	h.exact(data, false, report)
	h.exact(lower(data), true, report)
	squeezed := make([]byte, 0, len(data))
	for _, c := range data {
		if strings.IndexByte(separators, c) < 0 {
			squeezed = append(squeezed, c)
		}
	}
	for _, form := range h.runs(squeezed, 0, 1) {
		found = append(found, find{where, form + ", separated", ""})
	}
	for stride := 1; stride <= longestStride; stride++ {
		for from := range stride {
			for _, form := range h.runs(data, from, stride) {
				found = append(found, find{where, fmt.Sprintf("%s, a digit every %d bytes", form, stride), ""})
			}
		}
	}
	return append(found, h.records(where, data)...)
}

//go:norace
func (h *hunter) exact(data []byte, folded bool, report func(form string, from, to int)) {
	for i := 0; i+4 <= len(data); i++ {
		for _, n := range h.needles[binary.LittleEndian.Uint32(data[i:])] {
			if n.folded == folded && bytes.HasPrefix(data[i:], n.text) {
				report(n.form, i, i+len(n.text))
			}
		}
	}
}

// lower is ASCII only, so that every byte keeps its place.
func lower(data []byte) []byte {
	b := bytes.Clone(data)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

// kindOf is how a byte can stand for a digit: as its character or as its value.
type kindOf uint8

const (
	noDigit kindOf = iota
	character
	value
)

//go:norace
func digitOf(c byte) (byte, kindOf) {
	switch {
	case '0' <= c && c <= '9':
		return c, character
	case c <= 9:
		return c + '0', value
	}
	return 0, noDigit
}

// runs looks for codes among successive digits, stride bytes apart, taken as they come
// and with each digit's repetitions taken for one: a key press is many packets. The
// race detector would only make this slow: nothing here is shared.
//
//go:norace
func (h *hunter) runs(data []byte, from, stride int) (forms []string) {
	all, once := make([]byte, 0, 1024), make([]byte, 0, 1024)
	last := noDigit
	for i := from; i < len(data); i += stride {
		d, kind := digitOf(data[i])
		if kind != last {
			all, once, last = all[:0], once[:0], kind
		}
		if kind == noDigit {
			continue
		}
		all = append(all, d)
		forms = h.ending(forms, all, "")
		if n := len(once); n == 0 || once[n-1] != d {
			once = append(once, d)
			forms = h.ending(forms, once, ", repeated")
		}
	}
	return forms
}

// ending adds the forms in which a code ends just here.
//
//go:norace
func (h *hunter) ending(forms []string, digits []byte, suffix string) []string {
	n := len(digits)
	if n >= 4 && digits[n-1] == digits[n-2] && digits[n-1] == digits[n-3] && digits[n-1] == digits[n-4] {
		return forms // padding; no code of a test has four equal digits
	}
	for _, size := range h.sizes {
		if n >= size {
			if form, ok := h.codes[string(digits[n-size:])]; ok {
				forms = append(forms, form+suffix)
			}
		}
	}
	return forms
}

var (
	fieldShape = regexp.MustCompile(`([A-Za-z_][A-Za-z_0-9.]*)"?[=:] ?"?([^\s",]+)`)
	digitRun   = regexp.MustCompile(`[0-9]+`)
)

// longestValue is how much of a field's value is followed from record to record.
const longestValue = 32

// records looks for a code of which each line holds one digit: lines of one shape, or
// the values of one key, all of them and those of one call, at each place of the value.
func (h *hunter) records(where string, data []byte) (found []find) {
	streams := map[string][]byte{}
	for line := range bytes.Lines(data) {
		if len(line) > 4096 {
			continue // no line of a log
		}
		shape := digitRun.ReplaceAll(line, []byte("#"))
		for i, value := range digitRun.FindAll(line, -1) {
			follow(streams, fmt.Sprintf("column %d of lines like %s", i, shape), value)
		}
		fields := fieldShape.FindAllSubmatch(line, -1)
		call := ""
		for _, f := range fields {
			if k := string(f[1]); k == "call" || k == "call_id" {
				call = string(f[2])
			}
		}
		for _, f := range fields {
			for i, c := range f[2][:min(len(f[2]), longestValue)] {
				key := fmt.Sprintf("character %d of %s", i, f[1])
				follow(streams, key, []byte{c})
				follow(streams, key+" of call "+call, []byte{c})
			}
			follow(streams, string(f[1]), f[2])
			follow(streams, string(f[1])+" of call "+call, f[2])
		}
	}
	for name, digits := range streams {
		for _, form := range h.runs(digits, 0, 1) {
			found = append(found, find{where, form + ", one digit a record", name})
		}
	}
	return found
}

// follow adds a value that stands for one digit: the digit, or its character code.
func follow(streams map[string][]byte, name string, value []byte) {
	n, err := strconv.Atoi(string(value))
	switch {
	case err != nil || len(value) > 2:
	case len(value) == 1:
		streams[name] = append(streams[name], value[0])
	case n >= '0' && n <= '9':
		streams[name] = append(streams[name], byte(n))
	}
}
