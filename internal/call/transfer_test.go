package call

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// refer signs in, chooses a key of the menu and returns the URI that the far end is
// asked to call, or "" if it is not asked.
func (r *rig) refer(key string) string {
	r.press(key)
	r.says(prompt.Transferring)
	r.finish()
	select {
	case target := <-r.leg.targets:
		return target
	default:
		return ""
	}
}

func (r *rig) referred(status int) {
	r.leg.signals <- &Signal{Kind: Referred, Number: r.leg.number, Status: status}
	synctest.Wait()
}

func TestATransferThatSucceedsEndsTheCall(t *testing.T) {
	walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
		r.answer()
		r.press("482915#")
		r.says(transferMenu...)
		require.Equal(t, "sip:vm-4001@example.com", r.refer("1"), "with the number of the mailbox")
		require.Empty(t, r.leg.hangups, "the call is kept until it is known that the caller is there")
		r.referred(200)
		<-r.leg.hangups
		<-r.done
		require.Contains(t, r.log.String(), "end=transferred")
	})
}

func TestATransferThatFailsLeadsBackToTheMenu(t *testing.T) {
	for _, status := range []int{100, 302, 408, 486, 603} {
		walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
			r.answer()
			r.press("482915#")
			require.Equal(t, "sip:0@example.com", r.refer("0"))
			r.referred(status)
			r.says(append([]prompt.ID{prompt.TransferFailed}, transferMenu...)...)
			require.Contains(t, r.log.String(), fmt.Sprintf("status=%d", status))
		})
	}
}

func TestATransferThatSucceedsLateStillEndsTheCall(t *testing.T) {
	walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
		r.answer()
		r.press("482915#")
		require.NotEmpty(t, r.refer("0"))
		time.Sleep(time.Minute) // the flow has given it up
		synctest.Wait()
		r.says(append([]prompt.ID{prompt.TransferFailed}, transferMenu...)...)
		r.referred(200)
		<-r.leg.hangups
		<-r.done
		require.Equal(t, flow.EndTransferred, r.end.End)
	})
}

// Between two transfers: the first is given up, the next is being announced.
func TestASuccessWhileTheNextTransferIsAnnouncedEndsTheCall(t *testing.T) {
	walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
		r.answer()
		r.press("482915#")
		require.NotEmpty(t, r.refer("0"))
		first := r.leg.number
		time.Sleep(time.Minute) // the flow has given it up
		synctest.Wait()
		r.press("1")
		r.says(prompt.Transferring)
		r.leg.signals <- &Signal{Kind: Referred, Number: first, Status: 200}
		r.finish() // before the BYE, which waits for what was sent to be played
		require.Empty(t, r.leg.targets, "the caller is not called away from whom the first one reached")
		<-r.leg.hangups
		<-r.done
		require.Equal(t, flow.EndTransferred, r.end.End)
	})
}

// The outcome of a transfer may wait in the queue while the caller asks for the next.
func TestTheOutcomeOfAnEarlierTransferIsNotThatOfThePresentOne(t *testing.T) {
	for _, status := range []int{486, 200} {
		walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
			r.answer()
			r.press("482915#")
			require.NotEmpty(t, r.refer("0"))
			first := r.leg.number
			time.Sleep(time.Minute) // the flow has given it up
			synctest.Wait()
			r.says(append([]prompt.ID{prompt.TransferFailed}, transferMenu...)...)
			require.NotEmpty(t, r.refer("1"))
			require.NotEqual(t, first, r.leg.number)
			r.leg.signals <- &Signal{Kind: Referred, Number: first, Status: status}
			synctest.Wait()
			if status == 200 { // the caller is there
				<-r.leg.hangups
				<-r.done
				require.Equal(t, flow.EndTransferred, r.end.End)
				return
			}
			r.says(prompt.Transferring) // the present one is still awaited
			r.referred(603)
			r.says(append([]prompt.ID{prompt.TransferFailed}, transferMenu...)...)
		})
	}
}

func TestOneUnknownCallerDoesNotSpendTheTransfersOfAll(t *testing.T) {
	s := &Service{}
	site := &Site{TransfersPerHour: 2}
	for range 3 {
		r := &run{Service: s, site: site, arrival: Arrival{Peer: "trunk", Source: "203.0.113.1"}}
		require.True(t, r.mayTransfer())
		require.True(t, r.mayTransfer())
		require.False(t, r.mayTransfer(), "in one call")
	}
	known := &run{Service: s, site: site, arrival: Arrival{Peer: "pbx", Caller: "4001", Domain: "north"}}
	for range site.TransfersPerHour {
		require.True(t, known.mayTransfer())
	}
	require.False(t, known.mayTransfer())
	known.arrival.Domain = "south"
	require.True(t, known.mayTransfer(), "the same extension of another tenant")
	known.arrival.Home = "north"
	require.True(t, known.mayTransfer(), "and a caller of another")
}

// All unknown callers of one address together have room for many, and no more.
func TestUnknownCallersDoNotTransferForEver(t *testing.T) {
	s := &Service{}
	site := &Site{TransfersPerHour: 2}
	may := func(source string) bool {
		return (&run{Service: s, site: site, arrival: Arrival{Peer: "trunk", Source: source}}).mayTransfer()
	}
	for range crowd * site.TransfersPerHour {
		require.True(t, may("203.0.113.1"))
	}
	require.False(t, may("203.0.113.1"))
	require.True(t, may("203.0.113.2"), "another address")
}

func TestTransfersOfAMailboxAreLimited(t *testing.T) {
	walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
		r.answer()
		r.press("482915#")
		for range 2 {
			require.NotEmpty(t, r.refer("1"))
			r.referred(486)
			r.finish()
		}
		require.Empty(t, r.refer("1"), "the third of this hour")
		r.says(append([]prompt.ID{prompt.TransferFailed}, transferMenu...)...)
		r.finish()
		time.Sleep(time.Second)
	})
}

func TestHourly(t *testing.T) {
	var h hourly
	now := time.Now()
	require.True(t, h.allow("a", 2, now))
	require.True(t, h.allow("a", 2, now.Add(30*time.Minute)))
	require.False(t, h.allow("a", 2, now.Add(59*time.Minute)))
	require.True(t, h.allow("b", 2, now.Add(59*time.Minute)), "others have their own")
	require.True(t, h.allow("a", 2, now.Add(time.Hour)), "a new hour")
	require.True(t, h.allow("a", 2, now.Add(-time.Hour)), "a clock that went back closes nothing for ever")
	for i := range hourlyNames {
		h.allow(fmt.Sprint(i), 2, now)
	}
	require.LessOrEqual(t, len(h.count), hourlyNames)
	require.False(t, h.allow("one more", 2, now), "the table is bounded")
	require.False(t, h.allow("a", 0, now.Add(2*time.Hour)), "none at all")
}

// Each transfer that ended, or could not begin, is recorded once, with the name of its
// target.
func TestTransfersAreRecorded(t *testing.T) {
	for status, result := range map[int]mailbox.Code{200: mailbox.OK, 486: mailbox.Unavailable, 603: mailbox.Unavailable} {
		walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
			r.answer()
			r.press("482915#")
			require.NotEmpty(t, r.refer("1"))
			require.Empty(t, r.store.recorded())
			r.referred(status)
			r.referred(status)
			require.Equal(t, []string{"one to messages: " + result.String()}, r.store.recorded())
		})
	}
	walk(t, mailbox.OwnDoor, "transfers", func(r *rig) {
		r.answer()
		r.press("482915#")
		for range r.site.TransfersPerHour {
			require.NotEmpty(t, r.refer("0"))
			r.referred(486)
			r.finish()
		}
		require.Empty(t, r.refer("0"), "too many")
		synctest.Wait()
		all := r.store.recorded()
		require.Len(t, all, r.site.TransfersPerHour+1)
		require.Equal(t, "one to operator: throttled", all[len(all)-1])
	})
}
