package app

import (
	"context"

	"star97/internal/audit"
	"star97/internal/digest"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// SIPUser is somebody who may call by digest authentication.
type SIPUser struct {
	digest.Options // where users are kept
	Name           string
}

// target is a user as the audit trail names it.
func (u SIPUser) target() string { return u.Name + "@" + u.Realm }

// AddSIPUser lets a user call with a password and records it. With replace it has to be one
// who is there, else that is digest.ErrUnknown; without, one who is there is digest.ErrKnown.
// made tells that the file of the users is new.
func (s *Stores) AddSIPUser(ctx context.Context, u SIPUser, password secret.Secret, replace bool, by mailbox.Actor, reason string) (made bool, err error) {
	if err := digest.Addable(u.Options, u.Name, password, replace); err != nil {
		return false, err
	}
	d := &audit.Deed{Action: audit.SIPUserAdd, Target: u.target(), By: by, Reason: reason}
	if replace {
		d.Action = audit.SIPUserReplace
	}
	err = s.administer(ctx, d, func(context.Context) error {
		made, err = digest.Add(u.Options, u.Name, password, replace)
		return err
	}, nothing)
	return made, err
}

// RemoveSIPUser lets a user call no more and records it. One who is not there is
// digest.ErrUnknown.
func (s *Stores) RemoveSIPUser(ctx context.Context, u SIPUser, by mailbox.Actor, reason string) error {
	if err := digest.Removable(u.Options, u.Name); err != nil {
		return err
	}
	d := &audit.Deed{Action: audit.SIPUserRemove, Target: u.target(), By: by, Reason: reason}
	return s.administer(ctx, d, func(context.Context) error { return digest.Remove(u.Options, u.Name) }, nothing)
}
