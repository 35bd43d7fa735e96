package app

import (
	"context"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// slowSystem looks up in 5 ms and verifies in 300 ms.
type slowSystem struct {
	mu    sync.Mutex
	boxes map[string]mailbox.Account
}

func (s *slowSystem) put(_ *house, extension string, state int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == isUnknown {
		return
	}
	a := mailbox.Account{ID: extension, Backend: "slow", Extension: extension, Set: time.Now()}
	a.Flags = mailbox.Flags{Disabled: state == isDisabled, NoCode: state == isCodeless, Locked: state == isLockedByAdministrator}
	if state == isOlder {
		a.User = "older"
	}
	s.boxes[extension] = a
}

func (s *slowSystem) Lookup(_ context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	s.mu.Lock()
	a, found := s.boxes[q.Number]
	s.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	if !found {
		return nil, nil
	}
	return []mailbox.Account{a}, nil
}

func (s *slowSystem) Verify(_ context.Context, a mailbox.Account, _ pin.PIN, _ mailbox.Attempt) error {
	switch {
	case a.Flags.Disabled:
		return mailbox.Disabled
	case a.Flags.NoCode:
		return mailbox.NoCode
	case a.User == "older":
		time.Sleep(100 * time.Millisecond)
	default:
		time.Sleep(300 * time.Millisecond)
	}
	return mailbox.WrongPIN
}

func (s *slowSystem) Change(context.Context, mailbox.Account, pin.PIN, pin.PIN, mailbox.Attempt) mailbox.Result {
	return mailbox.Refuse(mailbox.WrongPIN)
}
