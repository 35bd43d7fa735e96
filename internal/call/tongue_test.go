package call

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// tongues are the languages that a site was asked to make ready.
type tongues struct {
	mu    sync.Mutex
	ready []string
}

func (l *tongues) prepare(tag string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = append(l.ready, tag)
}

func (l *tongues) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.ready...)
}

// A sentence is encoded in the time of a packet: not while its caller waits for it.
func TestTheLanguageOfAMailboxIsMadeReadyBeforeItIsSpoken(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		var l tongues
		r.site.Prepare, r.store.language = l.prepare, "de-DE"
		r.answer()
		require.Equal(t, []string{"de-DE"}, l.all(), "while the code is asked for")
		r.press("482915#")
		r.says(mainMenu...)
	})
	in(t, mailbox.AnyDoor, func(r *rig) {
		var l tongues
		r.site.Prepare, r.store.language = l.prepare, "de-DE"
		r.answer()
		r.press("4001#")
		r.press("111111#")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Empty(t, l.all(), "a stranger's work is the same, whatever the mailbox is like")
		r.press("482915#")
		require.Equal(t, []string{"de-DE"}, l.all(), "before the beat")
	})
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.site.Prepare = func(string) { require.Fail(t, "it has no language of its own") }
		r.answer()
		r.press("482915#")
		r.says(mainMenu...)
	})
}

func TestALanguageThatIsNotRecordedLeavesTheRoutesInForce(t *testing.T) {
	for tag, want := range map[string]string{"de-DE": "de-DE", "tlh": "fr-FR"} {
		in(t, mailbox.OwnDoor, func(r *rig) {
			r.site.Speaks = func(tag string) bool { return tag != "tlh" }
			r.store.language = tag
			r.answer()
			r.press("482915#")
			r.says(mainMenu...)
			r.leg.gone()
			<-r.done
			require.Equal(t, want, r.end.Language, tag)
		})
	}
}
