package dialplan

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/dialplans"
	"star97/internal/mailbox"
	"star97/internal/prompt"
	"star97/internal/script"
)

func parse(t *testing.T, text string) *Plan {
	p, problems := Parse("plan.yaml", []byte(text))
	require.Empty(t, problems)
	return p
}

func TestEmbeddedPlan(t *testing.T) {
	p := Default()
	require.Equal(t, Layout{Main: "main", Menus: map[string]Menu{"main": {Keys: map[string]Choice{
		"1": {Action: DoMessages}, "2": {Action: DoChange}, "0": {Action: DoOperator}, "9": {Action: DoRepeat}, "*": {Action: DoGoodbye},
	}}}}, p.Layouts[DefaultLayout])
	require.Equal(t, Timers{
		FirstDigit: 7 * time.Second, BetweenDigits: 4 * time.Second, Menu: 6 * time.Second,
		Cleared: 20 * time.Second, PleaseWait: 1200 * time.Millisecond, OneTime: 30 * time.Second, Call: 10 * time.Minute,
		Transfer: 30 * time.Second, LineCheck: time.Minute,
	}, p.Timers)
	require.Equal(t, Limits{WrongCodes: 3, SilentRounds: 4, NewCodeRounds: 3, TransfersPerHour: 20}, p.Limits)
}

// An option that the embedded file does not show is an option nobody finds.
func TestEmbeddedPlanShowsEveryOption(t *testing.T) {
	for _, v := range []any{Plan{}, Route{}, Words{}, Domain{}, Identity{}, Layout{}, Menu{}, Timers{}, Limits{}} {
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("yaml"), ",")
			require.Regexp(t, `(?m)(^|[{,# -] *)`+name+`:`, string(dialplans.Default))
		}
	}
}

// What a menu says fits in a phrase, with what may be said before it.
func TestAMenuFitsInAPhrase(t *testing.T) {
	require.Equal(t, prompt.MaxParts-2, maxSentences)
}

// The names of scripts are the names of the file, and each has its own timer.
func TestEveryTimerOfScriptsIsNamed(t *testing.T) {
	var timers Timers
	fields := reflect.TypeOf(timers)
	for i := range fields.NumField() {
		reflect.ValueOf(&timers).Elem().Field(i).SetInt(int64(i + 1))
		name := strings.ReplaceAll(fields.Field(i).Tag.Get("yaml"), "_", "-")
		d, ok := timers.Named(name)
		require.Equal(t, slices.Contains(script.Timers, name), ok, name)
		if ok {
			require.EqualValues(t, i+1, d, name)
		}
	}
	for _, name := range script.Timers {
		_, ok := timers.Named(name)
		require.True(t, ok, name)
	}
}

func TestWhatAFileLeavesOutIsAsInTheEmbeddedPlan(t *testing.T) {
	require.Equal(t, Default(), parse(t, ""))
	require.Equal(t, Default(), parse(t, "# only a comment\n"))
	p := parse(t, "timers:\n  menu: 9s\n")
	require.Equal(t, 9*time.Second, p.Timers.Menu)
	require.Equal(t, 7*time.Second, p.Timers.FirstDigit)
	require.Len(t, p.Routes, 4)
}

func TestRoutesOfAFileReplaceTheEmbeddedOnes(t *testing.T) {
	p := parse(t, "routes:\n  - {number: \"972\", door: own, domain: north}\n")
	require.Equal(t, []Route{{Number: "972", Door: mailbox.OwnDoor, Domain: "north"}}, p.Routes)
	_, refused := p.Decide(Question{Number: "*97"})
	require.Equal(t, NoRoute, refused)
}

// Whoever alters a plan alters no other.
func TestEachHasADefaultOfTheirOwn(t *testing.T) {
	p := parse(t, rich)
	c := p.clone()
	require.Equal(t, p, c)
	c.Routes[0].Number, c.Domains[0].Hosts[0], c.Identities[0].Mailbox, c.Targets["messages"] = "", "", "", ""
	c.Layouts["own"].Menus["main"].Keys["1"] = Choice{}
	c.Layouts["own"].Menus["more"] = Menu{}
	c.Layouts["own"] = Layout{}
	require.Equal(t, parse(t, rich), p)
	Default().Layouts[DefaultLayout].Menus["main"].Keys["2"] = Choice{}
	require.Equal(t, DoChange, Default().Layouts[DefaultLayout].Menus["main"].Keys["2"].Action)
}
