package archtest

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// secretWords are words of a field's name that say that it holds a code or key.
var secretWords = regexp.MustCompile(`^(pins?|codes?|digits?|passcodes?|passwords?|passwd|passphrases?|secrets?)$`)

// secretFields that may be plain, as path: Struct.Field, each with its reason.
var secretFields = excused{
	"cmd/star97/call.go: callFlags.codes":       "the name of the file with the codes",
	"cmd/star97/mailbox_view.go: codeView.Code": "a code that star97 itself generated, shown this once",
	"internal/dialplan/dialplan.go: Words.Code": "a word for codes: access-code, pin, passcode",
	"internal/prompt/prompt.go: Words.Code":     "a word for codes: access-code, pin, passcode",
	"internal/pin/seal.go: plain.digits":        "a code in clear has to be somewhere: in one function's frame, and wiped there",
}

var secretFieldRule = rule{
	check: func(d *folder) []finding { return secretFindings(d, map[string]bool{}) },
	remedy: "Hold a code in a pin.PIN or pin.Buffer, and another secret in a type that does not print; else give a " +
		"reason in words_test.go",
}

func secretFindings(d *folder, used map[string]bool) (found []finding) {
	for _, f := range d.files {
		if f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range body.Fields.List {
				for _, name := range field.Names {
					if !saysSecret(name.Name) || !isPlain(field.Type) {
						continue
					}
					key := f.path + ": " + spec.Name.Name + "." + name.Name
					if secretFields[key] != "" {
						used[key] = true
						continue
					}
					found = append(found, f.at(name.Pos(), "%s.%s can be printed", spec.Name.Name, name.Name))
				}
			}
			return true
		})
	}
	return found
}

var camelWord = regexp.MustCompile(`PINs?|[A-Z]?[a-z]+|[A-Z]+`)

func saysSecret(name string) bool {
	if secretWords.MatchString(strings.ToLower(name)) {
		return true
	}
	for _, w := range camelWord.FindAllString(name, -1) {
		if secretWords.MatchString(strings.ToLower(w)) {
			return true
		}
	}
	return false
}

// isPlain is true of strings, bytes, arrays, slices, maps and pointers of them.
func isPlain(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "string" || e.Name == "byte" || e.Name == "any"
	case *ast.ArrayType:
		return isPlain(e.Elt)
	case *ast.StarExpr:
		return isPlain(e.X)
	case *ast.MapType:
		return isPlain(e.Value)
	}
	return false
}

func TestNoFieldHoldsASecretPlainly(t *testing.T) {
	secretFieldRule.holds(t)
	used := map[string]bool{}
	for _, d := range tree(t) {
		secretFindings(d, used)
	}
	secretFields.check(t, used)
}

func TestSecretFieldRuleCanFail(t *testing.T) {
	in := func(field string) string { return "package x\ntype T struct { " + field + " }" }
	for _, field := range []string{
		"PIN string", "pin []byte", "newPin string", "OldPIN *string", "Password string", "passcodes []string",
		"dbPassword string", "Secret [32]byte", "userPINs map[string]string", "clientSecret any",
		"Code string", "newCode []byte", "codes []string", "digits [30]byte", "lastDigit byte",
	} {
		secretFieldRule.refuses(t, "internal/x/x.go", in(field), "T.")
	}
	for _, field := range []string{
		"Mapping string", "Spinner string", "PIN int", "pin pin.PIN", "Codec string", "code mailbox.Code", "digitsPressed int", "secret bool", "opinion []byte",
	} {
		secretFieldRule.allows(t, "internal/x/x.go", in(field))
	}
}

// foreign names systems whose words stay in their adapters, in lower case. Tests may
// say from which system an example was taken.
var foreign = []string{
	"cisco", "cucm", "cupi", "unity connection", "asterisk", "netsapiens", "freeswitch", "fusionpbx", "freepbx",
	"broadworks", "broadsoft", "webex", "axl", "3cx", "avaya", "mitel", "metaswitch",
}

// foreignLine is the first line of src with a foreign word and the word; 0 if there
// is none. In CamelCase a word begins with a capital.
func foreignLine(src []byte) (line int, found string) {
	lower := bytes.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' { // others could change their length
			return c - 'A' + 'a'
		}
		return c
	}, src)
	for _, w := range foreign {
		for from := 0; ; {
			i := bytes.Index(lower[from:], []byte(w))
			if i < 0 {
				break
			}
			begin := from + i
			from = begin + len(w)
			inWord := begin > 0 && unicode.IsLetter(rune(src[begin-1])) && !unicode.IsUpper(rune(src[begin]))
			goesOn := from < len(src) && unicode.IsLower(rune(src[from]))
			if !inWord && !goesOn {
				return 1 + bytes.Count(src[:begin], []byte("\n")), string(src[begin:from])
			}
		}
	}
	return 0, ""
}

// foreignHomes are the folders where foreign words belong.
var foreignHomes = []string{"internal/backend/", "internal/archtest/"}

// foreignGuests are single files that may name a foreign system, each with its reason.
var foreignGuests = excused{
	"internal/pin/presets.go": "presets are named after the published rules that they follow",
}

var foreignRule = rule{
	check: eachSource(func(f *file) []finding {
		for _, home := range foreignHomes {
			if strings.HasPrefix(f.path, home) {
				return nil
			}
		}
		if foreignGuests[f.path] != "" {
			return nil
		}
		if line, w := foreignLine(f.src); line > 0 {
			return []finding{{f.path, line, w + " is a foreign system's word"}}
		}
		return nil
	}),
	remedy: "Say what the protocol or the peer does, not whose product it is; foreign words live in the adapter and in dialplans",
}

func TestForeignWordsStayInTheirAdapters(t *testing.T) {
	foreignRule.holds(t)
	guests := map[string]bool{}
	for _, d := range tree(t) {
		for _, f := range d.files {
			line, _ := foreignLine(f.src)
			guests[f.path] = line > 0
		}
	}
	foreignGuests.check(t, guests)
}

func TestForeignRuleCanFail(t *testing.T) {
	for _, src := range []string{
		"package x\n\n// as Asterisk does\n", "package x\n\nconst a = \"CUCM\"\n", "package x\n\nfunc askWebexFor() {}\n",
		"package x\n\n/* NetSapiens\nor others */\n",
	} {
		foreignRule.refuses(t, "internal/uas/x.go", src, "foreign")
		foreignRule.allows(t, "internal/uas/x_test.go", src)
		foreignRule.allows(t, "internal/backend/x/x.go", src)
	}
	foreignRule.allows(t, "internal/uas/x.go", "package x\n\n// the community of San Francisco\u2019s relaxed axle\nconst star = '*'\n")
}

// machinePath is a path that exists on somebody's machine only. The pattern is
// broken up so that it does not find itself.
var machinePath = regexp.MustCompile(`(?m:^|[\s"'` + "`" + `(=:])(?:/wo` + `rk|/ho` + `me|/ro` + `ot|/Us` + `ers|[A-Z]:\\Us` + `ers)[/\\][\w.]`)

// machinePaths are the lines of src that name one.
func machinePaths(name string, src []byte) (found []finding) {
	if !machinePath.Match(src) {
		return nil
	}
	n := 0
	for line := range strings.Lines(string(src)) {
		n++
		if w := machinePath.FindString(line); w != "" {
			found = append(found, finding{name, n, strings.TrimSpace(w)})
		}
	}
	return found
}

// textFiles are read besides Go files.
var textFiles = []string{".go", ".md", ".yaml", ".yml", ".txt", ".sh", ".sql", ".mod", ".service", ".csv", ".json"}

func isText(name string) bool {
	for _, ext := range textFiles {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return path.Base(name) == "Makefile" || strings.HasPrefix(name, ".ci/")
}

func TestNoPathOfOneMachine(t *testing.T) {
	seen := 0
	err := walk(func(name string) error {
		if !isText(name) {
			return nil
		}
		content, err := read(name)
		if err != nil {
			return err
		}
		seen++
		for _, f := range machinePaths(name, content) {
			t.Errorf("%s:%d: %q exists on one machine only. Use a path relative to the project, a flag, or t.TempDir()", f.path, f.line, f.what)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, seen, 50)
}

func TestMachinePathRuleCanFail(t *testing.T) {
	for _, bad := range []string{`open("/wo` + `rk/x")`, "cd /ho" + "me/me", "/ro" + "ot/.cache", "path: /Us" + "ers/me", `C:\Us` + `ers\me`} {
		require.Len(t, machinePaths("x", []byte(bad+"\n")), 1, bad)
	}
	for _, good := range []string{"internal/home/x", "https://example.org/home/x", "network/work", "/var/lib/star97", "the /work"} {
		require.Empty(t, machinePaths("x", []byte(good+"\n")), good)
	}
}
