package caller

import (
	"context"
	"slices"
	"strings"

	"star97/internal/prompt"
	"star97/internal/script"
)

// onTheWay are sentences that may come before the one that a change waits for;
// any other means that the road was left.
var onTheWay = []prompt.ID{prompt.Welcome, prompt.PleaseWait, prompt.MustChange, prompt.NoCodeYet}

// Change is the built-in script: it signs in with {ext}, where that is asked for,
// and {old}, chooses key 2 of the default menu unless a new code is asked for at
// once, types {new} twice and waits for "changed". Errors as for Run.
func (p *Player) Change(ctx context.Context) error {
	return p.play(ctx, func() error { return p.change(ctx) })
}

func (p *Player) change(ctx context.Context) error {
	heard, err := p.reach(ctx, prompt.EnterExtension, prompt.EnterCode)
	if err != nil {
		return err
	}
	if heard == prompt.EnterExtension {
		if _, err := p.reply(ctx, "{ext}#", prompt.EnterCode); err != nil {
			return err
		}
	}
	if heard, err = p.reply(ctx, "{old}#", prompt.MainMenu, prompt.EnterNewCode); err != nil {
		return err
	}
	if heard == prompt.MainMenu {
		if _, err := p.reply(ctx, "2", prompt.EnterNewCode); err != nil {
			return err
		}
	}
	if _, err := p.reply(ctx, "{new}#", prompt.RepeatNewCode); err != nil {
		return err
	}
	_, err = p.reply(ctx, "{new}#", prompt.Changed)
	return err
}

// reply presses keys and waits for what must come then.
func (p *Player) reply(ctx context.Context, keys string, ids ...prompt.ID) (prompt.ID, error) {
	if err := p.press(ctx, script.Line{Verb: "press", Args: []string{keys}}); err != nil {
		return "", err
	}
	return p.reach(ctx, ids...)
}

// reach waits for one of the sentences, or a variant of it such as
// enter-new-code-6-10 for enter-new-code, and returns which.
func (p *Player) reach(ctx context.Context, ids ...prompt.ID) (prompt.ID, error) {
	variantOf := func(heard prompt.ID) prompt.ID {
		for _, id := range ids {
			if heard == id || strings.HasPrefix(string(heard), string(id)+"-") {
				return id
			}
		}
		return ""
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	heard, err := p.await(ctx, 0, prompt.ID(strings.Join(words, " or ")),
		func(heard prompt.ID) bool { return variantOf(heard) != "" },
		func(heard prompt.ID) bool { return heard != "" && !slices.Contains(onTheWay, heard) })
	return variantOf(heard), err
}
