package archtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// storeys is the site plan: a room imports only rooms with lower numbers. A
// folder that ends in /* stands for all below it that are not named.
const storeys = `
9  cmd/*
8  sim archtest
7  app
6  config probe caller/callertest
5  uas caller register console
4  call backend
3  ledger notify onetime syslog backend/*
2  flow media lockout audit hashpool backend/adapter backend/conformance backend/httpapi prompt/ear script/stage
1  sdp dialplan digest prompt mailbox sqlkit/sqlkittest
0  pin dtmf dtmf/tonetest codec srtp metrics plainfile secret pemfile sqlkit backup strictyaml script prompts dialplans backend/conformance/trouble
`

// topOfTests is the lowest storey that no test imports: tests of a room may look
// up at their neighbours but not at the assembled program.
const topOfTests = 7

// sidewards are imports within a storey, each with its reason.
var sidewards = excused{
	"config -> probe":      "config gathers the options of every room, and a probe needs nothing of it",
	"dialplan -> mailbox":  "a route names its door, and a door is mailbox.Door for everybody",
	"sqlkit -> secret":     "a database server asks for a password",
	"secret -> plainfile":  "a secret is read as every file that a configuration names",
	"pemfile -> plainfile": "so is a certificate",
	"sqlkit -> pemfile":    "a database server's certificate comes from an authority that a file holds",
	"sqlkit -> strictyaml": "what is wrong with a password's source is told under its key",
	"script -> strictyaml": "what is wrong with a script is told as what is wrong with a file",
}

var storeyRule = rule{
	check: func(d *folder) []finding { return storeyFindings(d, map[string]bool{}) },
	remedy: "A room imports only lower storeys: declare the interface you need in the lower room, or move what " +
		"both need down. A new room gets its place in the table of storeys_test.go",
}

func storeyFindings(d *folder, used map[string]bool) (found []finding) {
	plan := readStoreys()
	here, ok := storeyOf(plan, d.path)
	if !ok {
		return []finding{{d.path, 1, fmt.Sprintf("the room %s has no storey", d.path)}}
	}
	for _, f := range d.files {
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil || !strings.HasPrefix(name, module+"/") {
				continue
			}
			to := strings.TrimPrefix(name, module+"/")
			there, ok := storeyOf(plan, to)
			limit := here
			if f.test {
				limit = max(here, topOfTests)
			}
			edge := room(d.path) + " -> " + room(to)
			switch {
			case !ok:
				found = append(found, f.at(spec.Pos(), "the room %s has no storey", to))
			case there < limit || f.test && to == d.path:
			case sidewards[edge] != "" && there == here:
				used[edge] = true
			default:
				found = append(found, f.at(spec.Pos(), "%s (storey %d) imports %s (storey %d)", room(d.path), here, room(to), there))
			}
		}
	}
	return found
}

func room(path string) string { return strings.TrimPrefix(path, "internal/") }

func readStoreys() map[string]int {
	plan := map[string]int{}
	for line := range strings.Lines(storeys) {
		words := strings.Fields(line)
		for _, w := range words[min(1, len(words)):] {
			n, err := strconv.Atoi(words[0])
			if err != nil {
				n = -1
			}
			plan[w] = n
		}
	}
	return plan
}

func storeyOf(plan map[string]int, path string) (int, bool) {
	name := room(path)
	if n, ok := plan[name]; ok {
		return n, true
	}
	above, _, nested := strings.Cut(name, "/")
	n, ok := plan[above+"/*"]
	return n, ok && nested
}

func TestRoomsImportOnlyLowerStoreys(t *testing.T) {
	storeyRule.holds(t)
	used := map[string]bool{}
	for _, d := range tree(t) {
		storeyFindings(d, used)
	}
	sidewards.check(t, used)
}

func TestStoreyRuleCanFail(t *testing.T) {
	storeyRule.refuses(t, "internal/pin/x.go", `package pin; import _ "star97/internal/mailbox"`, "pin (storey 0) imports mailbox (storey 1)")
	storeyRule.refuses(t, "internal/flow/x.go", `package flow; import _ "star97/internal/media"`, "flow (storey 2) imports media (storey 2)")
	storeyRule.refuses(t, "internal/call/x.go", `package call; import _ "star97/internal/backend/sqldb/x"; import _ "star97/internal/uas"`, "call (storey 4) imports uas")
	storeyRule.refuses(t, "internal/attic/x.go", `package attic`, "has no storey")
	storeyRule.refuses(t, "internal/flow/x.go", `package flow; import _ "star97/internal/attic"`, "attic has no storey")
	storeyRule.refuses(t, "internal/call/x_test.go", `package call; import _ "star97/internal/app"`, "imports app")
	storeyRule.allows(t, "internal/flow/x.go", `package flow; import _ "star97/internal/mailbox"; import _ "fmt"`)
	storeyRule.allows(t, "internal/backend/sqldb/x.go", `package sqldb; import _ "star97/internal/sqlkit"`)
	storeyRule.allows(t, "internal/call/x_test.go", `package call_test; import _ "star97/internal/call"; import _ "star97/internal/caller"`)
	storeyRule.allows(t, "cmd/star97/x.go", `package main; import _ "star97/internal/app"`)
}

func TestStoreysAreReadable(t *testing.T) {
	for name, n := range readStoreys() {
		require.GreaterOrEqual(t, n, 0, name)
	}
	require.Len(t, readStoreys(), len(strings.Fields(storeys))-10, "a room stands on one storey")
}
