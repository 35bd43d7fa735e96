package app

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/flow"
	"star97/internal/pin"
	"star97/internal/prompt/ear"
	"star97/internal/script"
	"star97/internal/script/stage"
)

// usual is the language of calls that nobody gave another.
const usual = stage.Usual

// TestEveryLanguageIsHeard walks the good path and every refusal in each language that
// is recorded; each sentence is known by ear.
func TestEveryLanguageIsHeard(t *testing.T) {
	voice, _ := sounds()
	require.Contains(t, voice.catalogue.Languages(), usual)
	scenarios := map[string][]script.Line{}
	for i, tag := range voice.catalogue.Languages() {
		if tag == usual || i%oneOf != 0 {
			continue // among all scenarios
		}
		for _, name := range []string{"any-change", "refusals-of-the-rules", "refusals-of-the-store", "refusals-at-the-door"} {
			scenarios[tag+"/"+name] = stage.In(stage.Read(t, name), tag)
		}
	}
	playAll(t, scenarios)
}

// tagsOf lists the other languages that a script needs, sorted: those that it hears
// (TAG/ID), gives to the route or the mailbox, or whose names its layout says.
func tagsOf(lines []script.Line) (tags []string) {
	for _, l := range lines {
		for i, word := range l.Args {
			tag, _, qualified := strings.Cut(word, "/")
			given := l.Verb == "given" && i == 1 && (l.Args[0] == "language" || l.Args[0] == "mailbox-language")
			if given || qualified && (l.Verb == "hear" || l.Verb == "hear-not") {
				tags = append(tags, tag)
			}
		}
		if l.Verb == "given" && l.Args[0] == "layout" {
			tags = append(tags, named(l.Args[1])...)
		}
	}
	slices.Sort(tags)
	return slices.DeleteFunc(slices.Compact(tags), func(tag string) bool { return tag == usual })
}

// named are the languages whose own sentences a layout says; none if there is no such
// layout, which the service will tell.
func named(layout string) (tags []string) {
	l, err := flow.NewLayout(dialplan.Default(), layout, pin.DefaultPolicy())
	if err != nil {
		return nil
	}
	for _, id := range l.Sentences() {
		if tag, _, qualified := strings.Cut(string(id), "/"); qualified {
			tags = append(tags, tag)
		}
	}
	return tags
}

// ears are the ears made so far, by their languages.
var ears struct {
	sync.Mutex
	made map[string]*ear.Ear
}

// earOf knows the usual language and others, whose sentences are TAG/ID to it.
func earOf(tags []string) *ear.Ear {
	voice, known := sounds()
	if len(tags) == 0 {
		return known
	}
	ears.Lock()
	defer ears.Unlock()
	key := strings.Join(tags, " ")
	if ears.made[key] == nil {
		if ears.made == nil {
			ears.made = map[string]*ear.Ear{}
		}
		ears.made[key] = ear.Of(voice.catalogue, usual, tags...)
	}
	return ears.made[key]
}
