package app

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// A command that runs beside the service, under the rules that it was given or under those
// of the program, refuses by its own and forgets nothing that the service's ask for.
func TestACommandForgetsNoCodeOfBefore(t *testing.T) {
	dir := t.TempDir()
	service, command := openStores(t, dir), openStores(t, dir)
	service.remember(10)
	old := func(n int) string { return fmt.Sprintf("48%02d15", 20+n) }
	a, err := service.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, old(0)), "test")
	require.NoError(t, err)
	change := func(s *Stores, from, to int) mailbox.Result {
		return s.Trail.Change(t.Context(), a, digits(t, old(from)), digits(t, old(to)), atOwnDoor)
	}
	for n := range 7 {
		require.Equal(t, mailbox.Proved(), change(service, n, n+1))
	}
	require.NoError(t, command.SetCode(t.Context(), a, digits(t, old(8)), false, "test", ""))
	require.Equal(t, mailbox.InHistory, change(command, 8, 4).Reason)
	require.Equal(t, mailbox.Proved(), change(command, 8, 9))
	for n := range 9 {
		require.Equal(t, mailbox.InHistory, change(service, 9, n).Reason, "code %d", n)
	}
	service.remember(2)
	require.Equal(t, mailbox.Proved(), change(service, 9, 0), "the service's own rules are another matter")
}
