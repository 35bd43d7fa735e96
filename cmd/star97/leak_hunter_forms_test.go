package main

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// plants write a code in one form each. Whoever adds a form to the hunter plants it here.
var plants = map[string]func(code string) []byte{
	"plain":                  func(c string) []byte { return []byte(c) },
	"reversed":               func(c string) []byte { return []byte(reversed(c)) },
	"within digits":          func(c string) []byte { return []byte("77" + c + "77") },
	"spaces":                 func(c string) []byte { return []byte(strings.Join(strings.Split(c, ""), " ")) },
	"commas":                 func(c string) []byte { return []byte(strings.Join(strings.Split(c, ""), ",")) },
	"a JSON list":            func(c string) []byte { b, _ := json.Marshal(strings.Split(c, "")); return b },
	"arrows between digits":  func(c string) []byte { return []byte(strings.Join(strings.Split(c, ""), " then ")) },
	"groups like a number":   func(c string) []byte { return []byte(c[:1] + "," + c[1:4] + "," + c[4:7] + "," + c[7:]) },
	"reversed with spaces":   func(c string) []byte { return []byte(strings.Join(strings.Split(reversed(c), ""), " ")) },
	"hex":                    func(c string) []byte { return []byte(hex.EncodeToString([]byte(c))) },
	"capital hex of a dump":  func(c string) []byte { return fmt.Appendf(nil, "% X", c) },
	"hex of the reverse":     func(c string) []byte { return []byte(hex.EncodeToString([]byte(reversed(c)))) },
	"Go syntax":              func(c string) []byte { return fmt.Appendf(nil, "%#v", []byte(c)) },
	"%v of bytes":            func(c string) []byte { return fmt.Append(nil, []byte(c)) },
	"JSON of bytes as array": func(c string) []byte { return []byte(strings.ReplaceAll(fmt.Sprint([]byte(c)), " ", ",")) },
	"base64":                 func(c string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(c))) },
	"base64 after one byte":  func(c string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte("x" + c + "yz"))) },
	"base64 after two bytes": func(c string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte("xy" + c + "z"))) },
	"base64url":              func(c string) []byte { return []byte(base64.URLEncoding.EncodeToString([]byte("code=" + c))) },
	"base64 of JSON":         func(c string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(`{"pin":"` + c + `"}`))) },
	"URL encoding": func(c string) []byte {
		return []byte("%" + fmt.Sprintf("% X", c)[0:2] + strings.ReplaceAll(fmt.Sprintf("% X", c)[2:], " ", "%"))
	},
	"a query":            func(c string) []byte { return []byte(url.Values{"pin": {c}}.Encode()) },
	"MD5":                func(c string) []byte { s := md5.Sum([]byte(c)); return []byte(hex.EncodeToString(s[:])) },
	"SHA-1":              func(c string) []byte { s := sha1.Sum([]byte(c)); return []byte(hex.EncodeToString(s[:])) },
	"SHA-256":            func(c string) []byte { s := sha256.Sum256([]byte(c)); return []byte(hex.EncodeToString(s[:])) },
	"SHA-256 of a line":  func(c string) []byte { s := sha256.Sum256([]byte(c + "\n")); return []byte(hex.EncodeToString(s[:])) },
	"SHA-256, cut short": func(c string) []byte { s := sha256.Sum256([]byte(c)); return fmt.Appendf(nil, "%X", s[:9]) },
	"SHA-256, bytes":     func(c string) []byte { s := sha256.Sum256([]byte(c)); return s[:] },
	"SHA-512":            func(c string) []byte { s := sha512.Sum512([]byte(c)); return []byte(hex.EncodeToString(s[:])) },
	"SHA-1 in base64": func(c string) []byte {
		s := sha1.Sum([]byte(c))
		return []byte(base64.StdEncoding.EncodeToString(s[:]))
	},
	"SHA-256 in base64": func(c string) []byte {
		s := sha256.Sum256([]byte(c))
		return []byte(base64.StdEncoding.EncodeToString(s[:]))
	},
	"MD5 in base64url": func(c string) []byte {
		s := md5.Sum([]byte(c))
		return []byte(base64.RawURLEncoding.EncodeToString(s[:]))
	},
	"SHA-512 in base64": func(c string) []byte {
		s := sha512.Sum512([]byte(c))
		return []byte(base64.StdEncoding.EncodeToString(s[:]))
	},
	"number, little endian":   func(c string) []byte { return binary.LittleEndian.AppendUint64(nil, numeric(c)) },
	"number, big endian":      func(c string) []byte { return binary.BigEndian.AppendUint64(nil, numeric(c)) },
	"number in SQLite's size": func(c string) []byte { return binary.BigEndian.AppendUint64(nil, numeric(c))[2:] },
	"number as JSON float":    func(c string) []byte { return fmt.Appendf(nil, "%v", float64(numeric(c))) },
	"number in hex":           func(c string) []byte { return fmt.Appendf(nil, "%#X", numeric(c)) },
	"packed decimal":          func(c string) []byte { b, _ := hex.DecodeString(c); return b },
	"UTF-16":                  utf16Text(binary.LittleEndian),
	"UTF-16, big endian":      utf16Text(binary.BigEndian),
	"digits as bytes":         func(c string) []byte { return values(c) },
	"digits as 32-bit words":  words,
	"events of RFC 4733":      func(c string) []byte { return events(c, 1, 0) },
	"events with their ends":  func(c string) []byte { return events(c, 5, 0) },
	"whole RTP packets":       func(c string) []byte { return events(c, 3, 12) },
	"events in hex":           func(c string) []byte { return []byte(hex.EncodeToString(events(c, 1, 0))) },
	"RTP packets in hex":      func(c string) []byte { return []byte(hex.EncodeToString(events(c, 3, 12))) },
	"log records, text":       spread(func(w *strings.Builder) slog.Handler { return slog.NewTextHandler(w, nil) }, "digit"),
	"log records, JSON":       spread(func(w *strings.Builder) slog.Handler { return slog.NewJSONHandler(w, nil) }, "digit"),
	"log records, characters": spread(func(w *strings.Builder) slog.Handler { return slog.NewTextHandler(w, nil) }, "rune"),
	"log records, packets":    spread(func(w *strings.Builder) slog.Handler { return slog.NewJSONHandler(w, nil) }, "packet"),
	"records of two calls":    twoCalls,
}

func numeric(c string) (n uint64) {
	fmt.Sscan(strings.TrimLeft(c, "0"), &n)
	return n
}

func utf16Text(order binary.AppendByteOrder) func(string) []byte {
	return func(c string) (b []byte) {
		for _, u := range utf16.Encode([]rune(c)) {
			b = order.AppendUint16(b, u)
		}
		return b
	}
}

func values(c string) (b []byte) {
	for i := range len(c) {
		b = append(b, c[i]-'0')
	}
	return b
}

func words(c string) (b []byte) {
	for _, v := range values(c) {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// events are telephone-event payloads (RFC 4733 section 2.3), so many of each press,
// behind so many bytes of header.
func events(c string, packets, header int) (b []byte) {
	for i, v := range values(c) {
		for n := range packets {
			for range header {
				b = append(b, byte(0x80+i))
			}
			b = append(b, v, 10, byte(n), 160)
		}
	}
	return b
}

func spread(handler func(*strings.Builder) slog.Handler, kind string) func(string) []byte {
	return func(c string) []byte {
		var b strings.Builder
		log := slog.New(handler(&b))
		for i := range len(c) {
			switch kind {
			case "digit":
				log.Info("key", "call", fmt.Sprint(rand.Int64()), "digit", c[i]-'0')
			case "rune":
				log.Info("key", "rune", c[i], "n", rand.Int64())
			case "packet":
				for n := range 4 {
					log.Debug("nothing", "n", n)
					log.Info("packet", "payload", fmt.Sprintf("%02x0a%04x", c[i]-'0', 160*n))
				}
			}
		}
		return []byte(b.String())
	}
}

func twoCalls(c string) []byte {
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	for i := range len(c) {
		log.Info("key", "call", "one", "n", rand.Int64(), "digit", string(c[i]))
		log.Info("key", "call", "two", "n", rand.Int64(), "digit", fmt.Sprint(rand.IntN(10)))
	}
	return []byte(b.String())
}

func TestTheHunterFindsEveryPlantedForm(t *testing.T) {
	t.Parallel()
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			codes := make([]string, 20)
			for i := range codes {
				codes[i] = randomCode(10)
			}
			h := newHunter(codes...)
			for _, code := range codes[:3] {
				noise := innocent(t, h, 2<<10)
				planted := append(append(noise, '\n'), plant(code)...)
				planted = append(append(planted, '\n'), noise...)
				require.NotEmpty(t, h.hunt("planted", planted))
			}
		})
	}
}

// The codes of other people, times and numbers of a log are no leak.
func TestTheHunterRaisesNoFalseAlarm(t *testing.T) {
	t.Parallel()
	codes := make([]string, 60)
	for i := range codes {
		codes[i] = randomCode(10)
	}
	innocent(t, newHunter(codes...), 256<<10)
}

// innocent is noise in which no code is found. Digits by lot hold one now and then; what is
// wrong with the hunter shows each time.
func innocent(t *testing.T, h *hunter, size int) []byte {
	t.Helper()
	var found []find
	for range 3 {
		n := noise(size)
		if found = h.hunt("noise", n); len(found) == 0 {
			return n
		}
	}
	require.FailNow(t, "a false alarm, three times in a row", "%v", found)
	return nil
}

// noise is a log and a database full of other digits.
func noise(size int) []byte {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	for b.Len() < size/2 {
		log.Info("call ended", "call", fmt.Sprintf("%x@127.0.0.1", rand.Uint64()), "seconds", rand.IntN(60), "keys", rand.IntN(10), "id", rand.Uint64())
	}
	random := make([]byte, size/2)
	for i := range random {
		if i%64 < 32 {
			random[i] = byte(rand.Uint32())
		} else {
			random[i] = byte(rand.IntN(12))
		}
	}
	return append([]byte(b.String()), random...)
}

// randomCode has no equal neighbours, as hunter wants it, and no 0 in front.
func randomCode(length int) string {
	b := make([]byte, length)
	for i := range b {
		for b[i] == 0 || i == 0 && b[i] == '0' || i > 0 && b[i] == b[i-1] {
			b[i] = '0' + byte(rand.IntN(10))
		}
	}
	return string(b)
}
