package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// keysOf is a telephone that a test drives by hand.
func keysOf(t testing.TB, v *service, number, from string, road caller.Keys) *callertest.Phone {
	return callertest.Dial(t, caller.Options{
		URI: "sip:" + number + "@" + v.UDP.String(), From: from, Listen: "127.0.0.1", Keys: road,
		Press: caller.Press{Length: 50 * time.Millisecond, Gap: 40 * time.Millisecond},
	})
}

const asksForNew = prompt.EnterNewCode // the lengths of leakPolicy are not recorded with their numbers

// leakyCalls are the roads by which a code comes in over the telephone.
func leakyCalls(t testing.TB, v *service, b *book, codes map[string]string) {
	change := func(t testing.TB, p *callertest.Phone, old, next string) {
		p.Press(old + "#2" + next + "#" + next + "#")
		p.Hear(prompt.Changed)
		p.Hangup()
	}
	sideBySide(t, map[string]func(testing.TB){
		"own door by events": func(t testing.TB) {
			next := b.code("4002")
			change(t, keysOf(t, v, "*97", "4002", caller.Events), codes["4002"], next)
			p := keysOf(t, v, "*97", "4002", caller.Events)
			p.Press(codes["4002"] + "#")
			p.Hear(prompt.WrongCode)
			p.Press(next + "#")
			p.Hear(prompt.MainMenu)
			p.Hangup()
		},
		"own door by INFO": func(t testing.TB) {
			change(t, keysOf(t, v, "*97", "4003", caller.Info), codes["4003"], b.code("4003"))
		},
		"any door by both": func(t testing.TB) {
			p := keysOf(t, v, "*98", "caller", caller.Both)
			p.Press("4004#")
			change(t, p, codes["4004"], b.code("4004"))
		},
		"a code typed as extension": func(t testing.TB) {
			p := keysOf(t, v, "*98", "caller", caller.Events)
			p.Press(codes["4004"] + "#")
			p.Hear(prompt.EnterCode)
			p.Press(b.code("") + "#")
			p.Hear(prompt.WrongCode)
			p.Hangup()
		},
		"no such mailbox": func(t testing.TB) {
			p := keysOf(t, v, "*97", "4999", caller.Info)
			p.Hear(prompt.EnterExtension)
			p.Press(b.code("") + "#")
			p.Hear(prompt.EnterCode)
			p.Press(b.code("") + "#")
			p.Hear(prompt.WrongCode)
			p.Hangup()
		},
		"wrong codes": func(t testing.TB) {
			p := keysOf(t, v, "*97", "4005", caller.Events)
			for _, wrong := range []string{b.code(""), b.note(codes["4005"][:9]), b.note(codes["4005"] + randomCode(24))} {
				p.Press(wrong + "#")
				p.Hear(prompt.WrongCode)
			}
			p.Ended()
		},
		"refused, one": refusals(v, b, "4006", codes["4006"], pin.TooShort, pin.SameRun, pin.Sequence),
		"refused, two": refusals(v, b, "4007", codes["4007"], pin.HasOwnNumber, pin.IsCurrent, pin.SameRun),
		"mistyped": func(t testing.TB) {
			p := keysOf(t, v, "*97", "4008", caller.Events)
			p.Press(b.code("") + "*") // cleared
			p.Hear(prompt.Cleared)
			p.Press(codes["4008"] + "#2" + b.code("4008") + "#")
			p.Hear(prompt.RepeatNewCode)
			p.Press(b.code("4008") + "#")
			p.Hear(prompt.Mismatch, asksForNew)
			p.Press(b.code("4008"))
			p.Hangup() // in the middle of it
		},
	})
}

// sideBySide runs parts of a test at the same time and fails it when one of them has
// failed and all are over.
func sideBySide(t testing.TB, parts map[string]func(testing.TB)) {
	t.Helper()
	var over sync.WaitGroup
	for name, part := range parts {
		over.Go(func() {
			whole := false
			defer func() {
				if !whole {
					t.Logf("that was %q", name)
				}
			}()
			part(t)
			whole = true
		})
	}
	over.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func refusals(v *service, b *book, extension, current string, rules ...pin.Rule) func(testing.TB) {
	return func(t testing.TB) {
		p := keysOf(t, v, "*97", extension, caller.Events)
		p.Press(current + "#2")
		p.Hear(asksForNew)
		for _, rule := range rules {
			next := reversed(current)
			if rule != pin.IsCurrent {
				next = b.breaking(rule, extension)
			}
			p.Press(next + "#")
			p.Hear(prompt.ID("refused-" + string(rule)))
		}
		p.Hear(prompt.OfferOwn)
		p.Press("1")
		p.Press(b.note(p.Spelled()) + "#")
		p.Hear(prompt.Changed)
		p.Hangup()
	}
}

// lockedWhileChanging makes the change fail: another program holds the database.
func lockedWhileChanging(t testing.TB, v *service, b *book, current string) {
	p := keysOf(t, v, "*97", "4009", caller.Events)
	next := b.code("4009")
	p.Press(current + "#2" + next + "#")
	p.Hear(prompt.RepeatNewCode)
	release := lockDatabase(t, v.Data)
	p.Press(next + "#")
	p.Hear(prompt.OldCodeWorks)
	release()
	p.Hangup()
	require.Contains(t, v.Stderr.String(), "locked", "the log tells what happened")
}

// lockDatabase keeps every other program from writing until release.
func lockDatabase(t testing.TB, data string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "star97.db"))
	require.NoError(t, err)
	conn, err := db.Conn(context.Background())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE")
	require.NoError(t, err)
	return sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, db.Close())
	})
}

// leakyMessages carry codes where no telephone puts them.
func leakyMessages(t testing.TB, v *service, b *book) {
	for _, number := range []string{b.code(""), "*97" + b.code("")} {
		p := newTextPhone(t, v.UDP, number)
		require.Equal(t, 404, p.call(textOffer).status)
	}
	p := newTextPhone(t, v.UDP, "*97")
	require.Equal(t, 200, p.call(textOffer).status)
	for kind, body := range map[string]string{
		"application/dtmf-relay":   "Signal=" + b.code("") + "\r\nDuration=100\r\n",
		"application/dtmf":         b.code(""),
		"application/vnd.nuance":   b.code(""),
		"application/dtmf-relay;x": "Duration=" + b.code("") + "\r\n" + b.code(""),
	} {
		require.NotEqual(t, 200, p.ask(p.request("INFO", kind, body)).status, kind)
	}
	p.extra = "Subject: " + b.code("") + "\r\n"
	require.Equal(t, 405, p.ask(p.request("MESSAGE", "text/plain", b.code(""))).status)
	p.hangUp()
	require.Equal(t, 481, p.ask(p.request("INFO", "application/dtmf-relay", "Signal="+b.code("")+"\r\n")).status)
	broken := p.request("INFO", "application/dtmf-relay", "Signal="+b.code("")+"\r\n")
	require.Equal(t, 400, p.ask(strings.Replace(broken, "Max-Forwards: 70", "Broken "+b.code(""), 1)).status)
	sdp := strings.Replace(textOffer, "s=-", "s="+b.code(""), 1)
	require.Equal(t, 488, newTextPhone(t, v.UDP, "*97").call(strings.Replace(sdp, "m=audio", "m=video", 1)).status)
}

// leakyCommands are the roads by which a code comes in at the command line.
func leakyCommands(t testing.TB, v *service, b *book) {
	run := func(code int, stdin string, args ...string) (stdout, stderr string) {
		t.Helper()
		out, errs, exit := v.mailbox(stdin, args...)
		require.Equal(t, code, exit, "%v: %s", args, errs)
		b.wrote(fmt.Sprint(args), out, errs)
		return out, errs
	}
	run(0, b.code("4020")+"\n", "add", "4020", "--name", "Ann Example", "--number", "12125554020")
	run(1, b.code("4020")+"\n", "add", "4020")
	run(1, b.breaking(pin.Sequence, "4021")+"\n", "add", "4021")
	run(1, b.note("4"+randomCode(9))+"x\n", "add", "4021")
	run(1, b.note(randomCode(33))+"\n", "add", "4021")
	run(0, b.code("4020")+"\n", "set-code", "4020", "--json", "--reason", "lost")
	run(1, b.code("")+"\n", "set-code", "4444")
	run(2, b.code("")+"\n", "set-code", "4020", b.code(""))
	run(2, "", "add", "4021", "--code="+b.code(""))
	csv := "mailbox,domain,name,language,code\n"
	run(0, csv+"4030,,A,en-US,"+b.code("4030")+"\n4031,,B,,"+b.code("4031")+"\n", "import", "-")
	run(1, csv+"4032,,A,en-US,"+b.code("4032")+"x\n4033,,B,,"+b.breaking(pin.SameRun, "4033")+"\n", "import", "-")
	run(1, csv+"4034,,A,"+b.code("")+",\n"+"4020,,A,,"+b.code("4020")+"\n", "import", "-")
	run(1, csv+"4035,,\"A,en-US,"+b.code("")+"\n4036,,"+b.code("")+"\n", "import", "-")
	run(1, b.code("")+","+b.code("")+"\n", "import", "-")
	generated(t, b, run)
	run(0, "", "list")
	run(0, "", "list", "--json")
	run(0, "", "show", "4001")
	run(0, "", "show", "4005", "--json")
	run(1, "", "set", "4005", "--mail", b.code(""))
	run(0, "", "lock", "4030", "--reason", "stolen")
	run(0, "", "unlock", "4030")
	run(1, "", "reassign", "4030", "--name", "Bob Example", "--language", b.code(""))
	run(0, "", "reassign", "4030", "--name", "Bob Example")
}

// leakyTelephone gives codes to star97 call, in their places and in wrong ones.
func leakyTelephone(t testing.TB, v *service, b *book, current string) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	next, typed := b.code("4001"), b.code("")
	codes := file("codes", "old: "+current+"\nnew: "+next+"\nwrong: "+b.code("")+"\n")
	change := "hear enter-code\npress {wrong}#\nhear wrong-code\npress {old}#2{new}#{new}#\nhear changed\n"
	parts := map[string]func(testing.TB){}
	for name, c := range map[string]struct {
		script, codes string
		exit          int
		flag          string
	}{
		"change":                {change, codes, 0, "--json"},
		"keys in the script":    {"press " + typed + "#\nhear wrong-code\n", codes, 0, "--info"},
		"not what was expected": {"press " + typed + "#\nhear goodbye\n", codes, 5, "--info"},
		"no key":                {"press " + typed + "x#\n", codes, 2, "--json"},
		"no verb":               {"pres " + typed + "#\n", codes, 2, "--json"},
		"no verb but a code":    {typed + "#\n", codes, 2, "--json"},
		"no sentence":           {"hear " + typed + "\n", codes, 2, "--json"},
		"no duration":           {"wait " + typed + "\n", codes, 2, "--json"},
		"no colon":              {change, file("colon", "old "+b.code("")), 2, "--json"},
		"no digits":             {change, file("digits", "old: "+b.code("")+"x"), 2, "--json"},
		"no name":               {change, file("name", b.code("")+": 1"), 2, "--json"},
	} {
		parts[name] = func(t testing.TB) {
			from := map[bool]string{true: "4001", false: "4010"}[name == "change"]
			out, errs, exit := star97(t, c.script, "call", "sip:*97@"+v.UDP.String(), "--from", from, "--script", "-", "--codes", c.codes, c.flag)
			b.wrote("call, "+name, out, errs)
			require.Equal(t, c.exit, exit, "%s%s", out, errs)
		}
	}
	sideBySide(t, parts)
}

var shownOnce = regexp.MustCompile(`(?:\(shown this once\): |"code": ")(\d+)`)

// generated codes are cut out where they are shown, once, and looked for elsewhere.
func generated(t testing.TB, b *book, run func(int, string, ...string) (string, string)) {
	for _, args := range [][]string{{"add", "4040", "--generate"}, {"set-code", "4040", "--generate", "--json"}} {
		out, errs := run(0, "", args...)
		shown := shownOnce.FindAllStringSubmatch(out+errs, -1)
		require.Len(t, shown, 1, "%s%s", out, errs)
		b.note(shown[0][1])
		hide := func(s string) string { return strings.Replace(s, shown[0][0], "", 1) }
		b.wrote(fmt.Sprint(args), hide(out), hide(errs))
	}
}
