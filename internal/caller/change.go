package caller

import (
	"context"
	"slices"
	"strings"

	"star97/internal/prompt"
	"star97/internal/script"
)

// onTheWay are sentences that may come before the one that a change waits for, as the
// options of a menu may; any other means that the road was left.
var onTheWay = []prompt.ID{prompt.Welcome, prompt.AttendantWelcome, prompt.PleaseWait, prompt.MustChange, prompt.CodeExpired, prompt.CodeExpiresSoon, prompt.NoCodeYet}

// The options that lead on end with their key: option-change-2.
const (
	anyOption    = "option-"
	signInOption = prompt.ID("option-sign-in")
	changeOption = prompt.ID("option-change")
)

// Change is the built-in script: it signs in with {ext}, where that is asked for,
// and {old}, presses the key that is offered for a new code unless it is asked for at
// once, types {new} twice and waits for "changed". Menus below others are not
// searched. Errors as for Run.
func (p *Player) Change(ctx context.Context) error {
	return p.play(ctx, func() error { return p.change(ctx) })
}

func (p *Player) change(ctx context.Context) error {
	heard, err := p.reach(ctx, prompt.EnterExtension, prompt.EnterCode, signInOption)
	if key, offered := keyOf(heard, signInOption); offered {
		heard, err = p.reply(ctx, key, prompt.EnterExtension, prompt.EnterCode)
	}
	if err != nil {
		return err
	}
	if isSentence(heard, prompt.EnterExtension) {
		if _, err := p.reply(ctx, "{ext}#", prompt.EnterCode); err != nil {
			return err
		}
	}
	if heard, err = p.reply(ctx, "{old}#", changeOption, prompt.EnterNewCode); err != nil {
		return err
	}
	if key, offered := keyOf(heard, changeOption); offered {
		if _, err := p.reply(ctx, key, prompt.EnterNewCode); err != nil {
			return err
		}
	}
	if _, err := p.reply(ctx, "{new}#", prompt.RepeatNewCode); err != nil {
		return err
	}
	_, err = p.reply(ctx, "{new}#", prompt.Changed)
	return err
}

// keyOf is the key of an option.
func keyOf(heard, option prompt.ID) (key string, offered bool) {
	key, offered = strings.CutPrefix(string(heard), string(option)+"-")
	return strings.NewReplacer("star", "*", "pound", "#").Replace(key), offered
}

// isSentence tells whether a sentence or a variant of it was heard: enter-new-code-6-10
// or enter-new-code@pin for enter-new-code.
func isSentence(heard, id prompt.ID) bool {
	rest, ok := strings.CutPrefix(string(heard), string(id))
	return ok && (rest == "" || rest[0] == '-' || rest[0] == '@')
}

// reply presses keys and waits for what must come then.
func (p *Player) reply(ctx context.Context, keys string, ids ...prompt.ID) (prompt.ID, error) {
	if err := p.press(ctx, script.Line{Verb: "press", Args: []string{keys}}); err != nil {
		return "", err
	}
	return p.reach(ctx, ids...)
}

// reach waits for one of the sentences, and returns it as it was heard.
func (p *Player) reach(ctx context.Context, ids ...prompt.ID) (prompt.ID, error) {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	suits := func(heard prompt.ID) bool {
		return slices.ContainsFunc(ids, func(id prompt.ID) bool { return isSentence(heard, id) })
	}
	passes := func(heard prompt.ID) bool {
		return strings.HasPrefix(string(heard), anyOption) || slices.ContainsFunc(onTheWay, func(id prompt.ID) bool { return isSentence(heard, id) })
	}
	return p.await(ctx, 0, prompt.ID(strings.Join(words, " or ")), suits, func(heard prompt.ID) bool { return heard != "" && !passes(heard) })
}
