package main

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// refused runs a command on the service's data while it serves; nothing may change.
func refused(v *service, stdin string, args ...string) func(*testing.T) got {
	return func(t *testing.T) got {
		_, said, code := v.mailbox(stdin, args...)
		out, errs, exit := v.mailbox("", "show", "4001")
		require.Zero(t, exit, errs)
		require.Contains(t, out, "4001")
		_, _, exit = v.mailbox("", "show", "4777")
		require.Equal(t, 1, exit, "nothing was added")
		return got{strings.TrimSpace(said), code, "nothing was changed"}
	}
}

// dialled runs star97 call with files in a folder.
func dialled(files map[string]string, args ...string) func(*testing.T) got {
	return func(t *testing.T) got {
		f := newFolder(t)
		for name, text := range files {
			f.write(name, text)
		}
		args := append([]string{"call"}, args...)
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "FOLDER", f.path)
		}
		_, said, code := star97(t, "", args...)
		return got{f.shown(said), code, "nothing was dialled"}
	}
}

func badCommands(v *service) []bad {
	csv := func(rows string) func(*testing.T) got {
		return refused(v, rows, "import", "-")
	}
	const head = "mailbox,domain,name,language,code\n"
	return []bad{
		{"an import without its header", csv("4777,,Ann,en-US,739164\n"), 1, []string{"standard input:1: the first line must be mailbox,domain,name,language,code"}},
		{"an import with a field too few", csv(head + "4777,,Ann,739164\n"), 1, []string{"standard input:2:", "each line has 5 fields"}},
		{"an import with an open quotation mark", csv(head + "4777,,\"Ann,en-US,739164\n"), 1, []string{"standard input:2:", "each line has 5 fields"}},
		{"an import with a code of letters", csv(head + "4777,,Ann,en-US,secret\n"), 1, []string{"standard input:2: a code consists of the digits 0 to 9 only"}},
		{"an import with a code that breaks a rule", csv(head + "4777,,Ann,en-US,111111\n"), 1, []string{`standard input:2: its code breaks the rule "same-run"`, "say --force"}},
		{"an import with a code in the column of the language", csv(head + "4777,,Ann,739164,\n"), 1,
			[]string{"standard input:2: the language of mailbox 4777 is no BCP 47 tag", "like en-US"}},
		{"a code on the command line", refused(v, "", "set-code", "4001", "739164"), 2, []string{"accepts 1 arg(s), received 2", "star97 mailbox set-code EXTENSION"}},
		{"no code on standard input", refused(v, "", "set-code", "4001"), 1, []string{"no code was given; write it to standard input, or use --generate"}},
		{"a mailbox that is not there", refused(v, "582907\n", "set-code", "4777"), 1, []string{"there is no mailbox 4777", "`star97 mailbox list` shows all"}},
		{"an extension that is no number", refused(v, "582907\n", "add", "47x7"), 1, []string{"the extension must have 1 to 32 digits"}},
		{"a removal without --yes", refused(v, "", "remove", "4001"), 1, []string{"cannot be undone", "say --yes"}},
		{"an unknown command", refused(v, "", "frobnicate"), 2, []string{`unknown command "frobnicate" for "star97 mailbox"`, "star97 mailbox --help"}},
		{"an unknown flag", refused(v, "", "list", "--colour"), 2, []string{"unknown flag: --colour", "star97 mailbox list --help"}},
		{"a call to no SIP URI", dialled(map[string]string{"s": "hangup\n"}, "http://example.org", "--script", "FOLDER/s"), 2,
			[]string{`"http://example.org" is no SIP URI`, "write it like sip:*97@127.0.0.1:5060"}},
		{"a script with an unknown verb", dialled(map[string]string{"s": "hear welcome\nsing\n"}, "sip:*97@127.0.0.1", "--script", "FOLDER/s"), 2,
			[]string{`s:2: There is no verb "sing".`, "The verbs are"}},
		{"a codes file that is missing", dialled(map[string]string{"s": "hangup\n"}, "sip:*97@127.0.0.1", "--script", "FOLDER/s", "--codes", "FOLDER/none"), 2,
			[]string{"the codes file cannot be read", "no such file", "check its name"}},
		{"a codes file with letters", dialled(map[string]string{"s": "hangup\n", "c": "\nold: secret\n"}, "sip:*97@127.0.0.1", "--script", "FOLDER/s", "--codes", "FOLDER/c"), 2,
			[]string{`c:2: The value of "old" is not 1 to 30 digits.`, "Write lines like"}},
		{"a recording that is not there", func(t *testing.T) got {
			f := newFolder(t)
			_, said, code := star97(t, "", "digits", f.path+"/none.wav")
			return got{f.shown(said), code, "nothing was heard"}
		}, 1, []string{"none.wav: the file cannot be read: no such file or directory; check its name and mode"}},
		{"a call to nobody", callNobody, 4, []string{"nothing listens at 127.0.0.1:"}},
	}
}

func callNobody(t *testing.T) got {
	gone, err := net.Dial("udp", "127.0.0.1:9") // keeps the port, and is not there for others
	require.NoError(t, err)
	t.Cleanup(func() { _ = gone.Close() })
	at := gone.LocalAddr().String()
	g := dialled(map[string]string{"s": "hangup\n"}, "sip:*97@"+at, "--script", "FOLDER/s")(t)
	g.text = strings.ReplaceAll(g.text, at, "127.0.0.1:5060")
	return g
}
