package fake_test

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
)

// line is a command line without SSH.
type line struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func open(t *testing.T, f *fake.Server) line {
	conn, err := net.Dial("tcp", f.Lines(t))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	l := line{t, conn, bufio.NewReader(conn)}
	require.Equal(t, "se-10-0-0-0#", l.upTo("#"))
	return l
}

func (l line) upTo(end string) string {
	var b strings.Builder
	for !strings.HasSuffix(b.String(), end) {
		c, err := l.r.ReadByte()
		require.NoError(l.t, err)
		b.WriteByte(c)
	}
	return b.String()
}

// say types a command and returns what stands between its echo and the prompt.
func (l line) say(command string) string {
	_, err := l.conn.Write([]byte(command + "\r"))
	require.NoError(l.t, err)
	answer := l.upTo("se-10-0-0-0#")
	answer, echoed := strings.CutPrefix(answer, command+"\r\n")
	require.True(l.t, echoed)
	return strings.TrimSuffix(answer, "se-10-0-0-0#")
}

func TestCommandsAreOfTheDocumentedForm(t *testing.T) {
	f := fake.New(t, fake.Settings{MinLength: 4})
	a := f.Put(mailbox.Account{Extension: "4001", User: "ada", Name: "Ada Example", Language: "en-US", Numbers: []string{"12015550143"}}, "482915")
	l := open(t, f)
	require.Equal(t, "ada\r\n", l.say("show users"))
	require.Equal(t, "Full Name: Ada Example\r\nFirst Name: Ada\r\nLast Name: Example\r\nNickname: ada\r\nPhone: 4001\r\n"+
		"Phone(E.164): +12015550143\r\nLanguage: en_US\r\n", l.say("show user detail username ada"))
	require.Empty(t, l.say(""))
	require.Empty(t, l.say("username ada pin 739164"))
	require.True(t, f.Has(a.ID, "739164"))

	for _, wrong := range []string{
		"show user", "show users all", "show user detail", "show user detail username", "username ada", "username ada pin", "username ada pin 1 2", "reload",
	} {
		require.Contains(t, l.say(wrong), "Invalid input", wrong)
	}
	for command, says := range map[string]string{
		"username bob pin 606172":            "does not exist",
		"username ada pin 739164":            "history",
		"username ada pin 606":               "minimum",
		"username ada pin 60617x":            "numeric",
		"username ada pin 60617260617260617": "too long",
		"show user detail username bob":      "not in the database",
	} {
		require.Contains(t, l.say(command), says)
	}
	require.True(t, f.Has(a.ID, "739164"))
	require.False(t, f.Has("bob", ""))
	for _, command := range f.Commands() {
		require.NotContains(t, command, "739164")
	}
}

func TestALongAnswerWaitsForAKey(t *testing.T) {
	f := fake.New(t, fake.Settings{Page: 2})
	for _, user := range []string{"ada", "bob", "cleo", "dan"} {
		f.Put(mailbox.Account{Extension: "4001", User: user}, "482915")
	}
	l := open(t, f)
	_, err := l.conn.Write([]byte("show users\r"))
	require.NoError(t, err)
	require.Equal(t, "show users\r\nada\r\nbob\r\n--More--", l.upTo("--More--"))
	_, err = l.conn.Write([]byte(" "))
	require.NoError(t, err)
	require.Equal(t, "\r        \rcleo\r\ndan\r\nse-10-0-0-0#", l.upTo("#"))
	require.Empty(t, l.say("terminal length 0"))
	require.Equal(t, "ada\r\nbob\r\ncleo\r\ndan\r\n", l.say("show users"))
}
