package cue

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
)

func complete() Options {
	o := DefaultOptions()
	o.Address, o.HostKey = "voice.example", "SHA256:"+strings.Repeat("A", 43)
	o.User, o.Password = "star97", secret.Source{Env: "CUE_PASSWORD"}
	return o
}

func TestOptionsTellWhatIsWrongByTheirKey(t *testing.T) {
	conformance.Spoiled(t, complete, map[string]func(*Options){
		"address is empty":             func(o *Options) { o.Address = "" },
		`address is "a:b:c"`:           func(o *Options) { o.Address = "a:b:c" },
		`address is "voice:0"`:         func(o *Options) { o.Address = "voice:0" },
		`address is "star97@voice"`:    func(o *Options) { o.Address = "star97@voice" },
		"host_key is empty":            func(o *Options) { o.HostKey = "" },
		"host_key and known_hosts are": func(o *Options) { o.KnownHosts = "known_hosts" },
		`host_key is "MD5:`:            func(o *Options) { o.HostKey = "MD5:00:11" },
		`host_key is "SHA256:AAA"`:     func(o *Options) { o.HostKey = "SHA256:AAA" },
		"user is empty":                func(o *Options) { o.User = "" },
		"password is empty":            func(o *Options) { o.Password = secret.Source{} },
		"password.file and env":        func(o *Options) { o.Password.File = "f" },
		"key.file and env":             func(o *Options) { o.Key = secret.Source{File: "f", Env: "E"} },
		"enable.file and env":          func(o *Options) { o.Enable = secret.Source{File: "f", Env: "E"} },
		"module.password.file and env": func(o *Options) { o.Via, o.Module.Password = "x", secret.Source{File: "f", Env: "E"} },
		"module.enable.file and env":   func(o *Options) { o.Via, o.Module.Enable = "x", secret.Source{File: "f", Env: "E"} },
		"module.user is":               func(o *Options) { o.Via, o.Module.User = "x", "a\rb" },
		"module is filled in, but via": func(o *Options) { o.Module.User = "voice" },
		"via is":                       func(o *Options) { o.Via = "session\rreload" },
		"more is":                      func(o *Options) { o.More = " --More--" },
		"users[0].id is":               func(o *Options) { o.Users = []User{{ID: "a b", Extension: "4001"}} },
		"users[1].id is":               func(o *Options) { o.Users = []User{{ID: "ada", Extension: "1"}, {ID: "Ada", Extension: "2"}} },
		"users[0].extension is":        func(o *Options) { o.Users = []User{{ID: "ada", Extension: "x"}} },
		"users[0].name is":             func(o *Options) { o.Users = []User{{ID: "ada", Extension: "1", Name: "a\nb"}} },
		"users[0].language is":         func(o *Options) { o.Users = []User{{ID: "ada", Extension: "1", Language: "en_US"}} },
		"max_users is 0":               func(o *Options) { o.MaxUsers = 0 },
		"refresh is 1s":                func(o *Options) { o.Refresh = time.Second },
		"miss_pause is":                func(o *Options) { o.MissPause = -1 },
		"sessions is 9":                func(o *Options) { o.Sessions = 9 },
		"keep_alive is 1s":             func(o *Options) { o.KeepAlive = time.Second },
		"idle is":                      func(o *Options) { o.Idle = 25 * time.Hour },
		"timeout is":                   func(o *Options) { o.Timeout = time.Minute },
		"connect is":                   func(o *Options) { o.Connect = time.Hour },
		"break_after is 0":             func(o *Options) { o.BreakAfter = 0 },
		"break_pause is":               func(o *Options) { o.BreakPause = 0 },
		"rules.min_length is 17":       func(o *Options) { o.Rules.MinLength = 17 },
		"answers[0].words is":          func(o *Options) { o.Answers = []Answer{{" ", "ok"}} },
		"answers[0].means is":          func(o *Options) { o.Answers = []Answer{{"x", "wrong-pin"}} },
	})
}

func TestAddressesHaveAPort(t *testing.T) {
	for in, want := range map[string]string{
		"voice.example": "voice.example:22", "voice.example:2222": "voice.example:2222", "10.1.10.1": "10.1.10.1:22",
		"::1": "[::1]:22", "[::1]": "[::1]:22", "[fd00::1]:2222": "[fd00::1]:2222",
	} {
		got, err := address(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestRelativePathsAreTakenFromTheFolder(t *testing.T) {
	var o Options
	o.SetDefaults()
	require.Equal(t, DefaultOptions(), o)
	require.Equal(t, declared(), o.Declared())
	o.KnownHosts, o.Password.File, o.Key.File, o.Enable.File = "known_hosts", "password", "/abs/key", "enable"
	o.Module.Password.File, o.Module.Enable.File = "module", "module-enable"
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/known_hosts", o.KnownHosts)
	require.Equal(t, "/etc/star97/password", o.Password.File)
	require.Equal(t, "/abs/key", o.Key.File)
	require.Equal(t, "/etc/star97/enable", o.Enable.File)
	require.Equal(t, "/etc/star97/module", o.Module.Password.File)
	require.Equal(t, "/etc/star97/module-enable", o.Module.Enable.File)
	o = complete()
	o.Resolve("/etc/star97")
	require.Equal(t, complete(), o)
}

func TestWhatCannotBeReadIsToldByItsKey(t *testing.T) {
	for want, alter := range map[string]func(*Options){
		"password: the environment variable": func(*Options) {},
		"enable: the secret's file":          func(o *Options) { o.Password, o.Enable = conformance.Secret(t, "x"), secret.Source{File: "/nowhere/x"} },
		"password has more than one line":    func(o *Options) { o.Password = conformance.Secret(t, "x\ny") },
		"known_hosts /nowhere/x cannot":      func(o *Options) { o.Password, o.HostKey, o.KnownHosts = conformance.Secret(t, "x"), "", "/nowhere/x" },
		"known_hosts /dev/null/x cannot":     func(o *Options) { o.Password, o.HostKey, o.KnownHosts = conformance.Secret(t, "x"), "", "/dev/null/x" },
		"key: the secret's file":             func(o *Options) { o.Password, o.Key = conformance.Secret(t, "x"), secret.Source{File: "/nowhere/x"} },
	} {
		o := complete()
		alter(&o)
		b, err := o.Open(t.Context())
		require.ErrorContains(t, err, want)
		require.Nil(t, b)
	}
}

func TestRulesBecomeAPolicy(t *testing.T) {
	require.Equal(t, pin.Policy{MinLen: 3, MaxLen: 16, Current: true, History: 1}, DefaultOptions().Rules.policy())
	require.Equal(t, adapter.Trivial(pin.Policy{MinLen: 6, MaxLen: 16}), Rules{MinLength: 6, Trivial: true}.policy())
}

func TestTheTableOfAnswers(t *testing.T) {
	for line, want := range map[string]mailbox.Code{
		"PIN is too short":                       mailbox.TooShort,
		"The minimum is six":                     mailbox.TooShort,
		"Exceeds the maximum length":             mailbox.TooLong,
		"PIN matches a previous one":             mailbox.InHistory,
		"Trivial PIN":                            mailbox.Trivial,
		"PIN is same as the extension":           mailbox.Trivial,
		"PIN must be NUMERIC":                    mailbox.NotDigits,
		"user ada does not exist":                mailbox.NotFound,
		"% Permission denied":                    mailbox.ServiceRefused,
		"% Invalid input detected at '^' marker": mailbox.PolicyOther,
		"Operation failed":                       mailbox.PolicyOther,
		"hello":                                  mailbox.OutcomeUnknown,
	} {
		require.Equal(t, want, meaning([]byte(line), defaultAnswers()), line)
	}
}
