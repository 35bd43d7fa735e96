package app

import (
	"context"
	"crypto/rand"

	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Example is a mailbox that was made to try the service, with its generated code.
type Example struct {
	Account mailbox.Account
	Code    pin.PIN
}

const exampleActor mailbox.Actor = "star97 serve --example"

// MakeExamples adds three mailboxes with generated codes, if there is none yet.
func (s *Stores) MakeExamples(ctx context.Context, c config.Config) ([]Example, error) {
	have, err := s.Backend.List(ctx, mailbox.Page{AllDomains: true, Limit: 1})
	if err != nil || len(have) > 0 {
		return nil, err
	}
	var made []Example
	for _, a := range []mailbox.Account{
		{Extension: "4001", Name: "Ann Example"},
		{Extension: "4002", Name: "Bob Example"},
		{Extension: "4003", Name: "Cem Example"},
	} {
		code, err := pin.Generate(c.Policy.Policy, pin.Context{Extension: a.Extension}, rand.Reader)
		if err != nil {
			return made, err
		}
		a, err := s.Add(ctx, a, code, exampleActor)
		if OutcomeOf(err) != mailbox.Refused {
			made = append(made, Example{Account: a, Code: code})
		}
		if err != nil {
			return made, err
		}
	}
	return made, nil
}
