package call

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/pin"
	"star97/internal/prompt"
)

func TestNothingTakesEffectBeforeTheACK(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.press("482915#")
		time.Sleep(time.Minute)
		r.says()
		r.answer()
		r.says(mainMenu...)
	})
}

func TestKeysByInfoAndByEventCountOnce(t *testing.T) {
	in(t, mailbox.AnyDoor, func(r *rig) {
		r.answer()
		for _, c := range []byte("4001#") {
			d, _ := dtmf.DigitOf(c)
			at := time.Since(r.session.Epoch())
			r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromEvent, Digit: d, At: at}})
			r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{Kind: dtmf.Up, Source: dtmf.FromEvent, Digit: d, At: at}})
			synctest.Wait()
			r.leg.signals <- &Signal{Kind: InfoKey, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: d, At: at + 50*time.Millisecond}}
			synctest.Wait()
			time.Sleep(300 * time.Millisecond)
		}
		r.says(prompt.EnterCode)
		r.press("482915#")
		time.Sleep(2 * time.Second)
		r.says(mainMenu...)
	})
}

// An INFO takes the call from tones: the engine is told to listen no longer.
func TestAnINFOEndsTheHearingOfTones(t *testing.T) {
	in(t, mailbox.AnyDoor, func(r *rig) {
		r.answer()
		deaf := func() bool { r.session.mu.Lock(); defer r.session.mu.Unlock(); return r.session.deaf }
		d, _ := dtmf.DigitOf('4')
		tell := func(source dtmf.Source) {
			report := dtmf.Report{Kind: dtmf.Down, Source: source, Digit: d, At: time.Since(r.session.Epoch())}
			if source == dtmf.FromInfo {
				r.leg.signals <- &Signal{Kind: InfoKey, Report: report}
			} else {
				r.session.tell(media.Event{Kind: media.Pressed, Report: report})
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		tell(dtmf.FromTone)
		require.False(t, deaf())
		tell(dtmf.FromInfo)
		require.True(t, deaf())
	})
}

func TestAnyDoorAnswersOnTheBeat(t *testing.T) {
	for _, c := range []struct{ takes, at time.Duration }{
		{0, time.Second},
		{990 * time.Millisecond, time.Second},
		{1010 * time.Millisecond, 1500 * time.Millisecond},
		{1500 * time.Millisecond, 1500 * time.Millisecond},
		{2400 * time.Millisecond, 2500 * time.Millisecond},
	} {
		require.Equal(t, c.at, c.takes+untilBeat(c.takes), "took %v", c.takes)
	}
	in(t, mailbox.AnyDoor, func(r *rig) {
		r.answer()
		r.press("4001#")
		r.press("482915#") // press waits 300 ms after its last key
		time.Sleep(690 * time.Millisecond)
		synctest.Wait()
		require.NotEqual(t, mainMenu, r.session.said(), "before the beat")
		time.Sleep(20 * time.Millisecond)
		r.says(mainMenu...)
	})
}

func TestTimerStandsStillOnHold(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.finish()
		time.Sleep(6 * time.Second)
		r.session.tell(media.Event{Kind: media.Held})
		time.Sleep(time.Minute)
		r.says(prompt.Welcome, prompt.EnterCode)
		r.session.tell(media.Event{Kind: media.Resumed})
		time.Sleep(900 * time.Millisecond)
		r.says(prompt.Welcome, prompt.EnterCode)
		time.Sleep(200 * time.Millisecond)
		r.says(prompt.NoInput, prompt.EnterCode)
	})
}

func TestTimerAskedForWhileHeldStartsOnResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		c.hold()
		c.set(2*time.Second, 7)
		time.Sleep(time.Minute)
		require.Empty(t, c.C())
		c.resume()
		<-c.C()
		require.EqualValues(t, 7, c.step)
		c.fired(time.Now())
		c.hold()
		c.resume()
		time.Sleep(time.Minute)
		require.Empty(t, c.C(), "a timer that fired does not come again")
	})
}

func TestStoreThatIgnoresItsDeadlineNeverWedgesTheCall(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		release := make(chan struct{})
		r.store.verify = func(context.Context) error { <-release; return nil }
		r.answer()
		r.press("482915#")
		time.Sleep(9 * time.Second)
		r.says(prompt.Unavailable, prompt.Goodbye)
		close(release)
		synctest.Wait()
		r.says(prompt.Unavailable, prompt.Goodbye)
	})
}

func TestStoreThatPanicsEndsOneQuestion(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.store.change = func(context.Context) mailbox.Result { panic("broken") }
		r.answer()
		r.press("482915#2739164#739164#")
		r.says(prompt.Unconfirmed, prompt.Goodbye)
	})
}

func TestPanicOfAStoreShowsNoArgument(t *testing.T) {
	for _, digits := range []string{"739164", "7391648"} {
		in(t, mailbox.OwnDoor, func(r *rig) {
			r.store.change = func(context.Context) mailbox.Result {
				code, _ := pin.Parse(digits)
				code.Reveal(func(d []byte) { panic(string(d)) })
				return mailbox.Result{}
			}
			r.answer()
			r.press("482915#2" + digits + "#" + digits + "#")
			synctest.Wait()
			log := r.log.String()
			require.Contains(t, log, "panic of type string at")
			require.NotContains(t, log, digits)
			require.NotRegexp(t, `\(0x|, 0x[67]\b|\{0x`, log, "no argument of a function")
		})
	}
}

func TestTheBeatCountsFromTheEntryWhateverTheLookupTook(t *testing.T) {
	for _, takes := range []time.Duration{2200 * time.Millisecond, 2300 * time.Millisecond, 2430 * time.Millisecond} {
		in(t, mailbox.AnyDoor, func(r *rig) {
			r.store.lookup = func() { time.Sleep(takes) }
			r.answer()
			r.press("4001#000000")
			entered := time.Now()
			r.press("#")
			for !slices.Contains(r.session.said(), prompt.WrongCode) {
				time.Sleep(5 * time.Millisecond)
				synctest.Wait()
			}
			took := time.Since(entered)
			require.Less(t, took%(500*time.Millisecond), 10*time.Millisecond, "on a half second, not %v", took)
		})
	}
}

func TestKeysThatCameBeforeTheByeCount(t *testing.T) {
	for range 50 {
		in(t, mailbox.OwnDoor, func(r *rig) {
			var changed atomic.Bool
			r.store.change = func(context.Context) mailbox.Result { changed.Store(true); return mailbox.Proved() }
			r.answer()
			r.press("482915#2739164#739164")
			at := time.Since(r.session.Epoch())
			r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromEvent, Digit: dtmf.Pound, At: at}})
			r.leg.gone()
			<-r.done
			require.NoError(t, r.service.Settle(r.t.Context()))
			require.True(t, changed.Load())
		})
	}
}

func TestBackAndForthOpensFewLookups(t *testing.T) {
	in(t, mailbox.AnyDoor, func(r *rig) {
		var open, most atomic.Int32
		r.store.lookup = func() {
			most.Store(max(most.Load(), open.Add(1)))
			time.Sleep(7 * time.Second)
			open.Add(-1)
		}
		r.answer()
		for range 12 {
			r.press("1#*")
		}
		require.LessOrEqual(t, most.Load(), int32(jobsMax))
		time.Sleep(30 * time.Second)
		require.Zero(t, open.Load())
	})
}

func TestChangeGoesOnAfterHangUp(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		var changed atomic.Bool
		r.store.change = func(ctx context.Context) mailbox.Result {
			time.Sleep(3 * time.Second)
			changed.Store(ctx.Err() == nil)
			return mailbox.Proved()
		}
		r.answer()
		r.press("482915#2739164#739164#")
		r.leg.gone()
		<-r.done
		require.False(t, changed.Load())
		require.NoError(t, r.service.Settle(r.t.Context()))
		require.True(t, changed.Load())
	})
}

func TestByeComesAfterTheLastPacketWasPlayed(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.press("*")
		r.says(prompt.Goodbye)
		require.Empty(t, r.leg.hangups)
		at := time.Now()
		r.finish()
		require.Equal(t, DefaultOptions().PlayOut, (<-r.leg.hangups).Sub(at))
	})
}

func TestLostKeysAreAskedForAgain(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.press("482")
		r.session.tell(media.Event{Kind: media.Overrun})
		r.press("15#")
		r.says(prompt.DigitsLost, prompt.EnterCode)
		time.Sleep(time.Second) // a breath
		r.press("482915#")
		r.says(mainMenu...)
	})
}

func TestLostMediaEndsTheCall(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.leg.signals <- &Signal{Kind: Stirred}
		synctest.Wait()
		r.session.tell(media.Event{Kind: media.Silent})
		synctest.Wait()
		require.Empty(t, r.leg.hangups, "any request is a sign of life")
		r.session.tell(media.Event{Kind: media.Silent})
		<-r.leg.hangups
	})
}

func TestTimeLimitIsToldAndEndsTheCall(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		time.Sleep(10 * time.Minute)
		r.says(prompt.TimeLimit, prompt.Goodbye)
		r.finish()
		<-r.leg.hangups
	})
}

func TestDrainTellsCallersThatTheirTimeIsUp(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.cancel()
		r.says(prompt.TimeLimit, prompt.Goodbye)
	})
}

func TestSomebodyWhoNeverStopsTypingIsToldAfterTheGrace(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		begin := time.Now()
		for !slices.Contains(r.session.said(), prompt.TimeLimit) && time.Since(begin) < time.Hour {
			r.press("1")
			if time.Since(begin).Round(time.Second)%(6*time.Second) == 0 {
				r.press("*")
			}
		}
		require.InDelta(t, 12*time.Minute, time.Since(begin), float64(10*time.Second))
		require.Empty(t, r.leg.hangups)
		told := time.Now()
		<-r.leg.hangups
		require.InDelta(t, lastWords, time.Since(told), float64(time.Second), "a phone that never plays it is not waited for")
	})
}

func TestOwnDoorHearsHowLongTheLockLasts(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.store.verify = func(context.Context) error {
			return mailbox.Fail("verify", mailbox.Locked, &lockout.Closed{Until: time.Now().Add(8 * time.Minute)})
		}
		r.answer()
		r.press("482915#")
		r.says(prompt.Locked, prompt.RetryTenMinutes, prompt.Goodbye)
	})
}

func TestOwnDoorHearsWhoOpensALockWithoutAnEnd(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.store.verify = func(context.Context) error {
			return mailbox.Fail("verify", mailbox.Locked, &lockout.Closed{Why: "the hard stop"})
		}
		r.answer()
		r.press("482915#")
		r.says(prompt.Locked, prompt.HelpDesk, prompt.Goodbye)
	})
}

func TestRefusalIsRecorded(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.press("482915#2123456#")
		r.says(prompt.RefusedSequence, prompt.EnterNewCode+"-6-10")
		require.Equal(t, pin.Sequence, *r.store.refused.Load())
	})
}

func TestACallWhoseMediaAreGoneEnds(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		close(r.session.events)
		time.Sleep(time.Second)
		require.Len(t, r.leg.hangups, 1, "nobody would hear a key")
	})
}

func TestTheACKIsNoSignOfLaterLife(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		r.session.tell(media.Event{Kind: media.Silent})
		<-r.leg.hangups
	})
}

func TestRTPThatIsNotBelievedIsToldToTheAdministrator(t *testing.T) {
	in(t, mailbox.OwnDoor, func(r *rig) {
		r.answer()
		e := media.Event{Kind: media.Disbelieved, Disbelief: &media.Disbelief{
			From: netip.MustParseAddrPort("198.51.100.7:4000"), Signalled: netip.MustParseAddrPort("192.0.2.1:6000"),
		}}
		r.session.tell(e)
		r.session.tell(e) // of another call, as it were
		synctest.Wait()
		require.Equal(t, 1, strings.Count(r.log.String(), "level=WARN"))
		require.Contains(t, r.log.String(),
			`RTP from 198.51.100.7:4000 is not believed: SDP names 192.0.2.1:6000; set rtp_source: any at peer \"test\" if that is right`)
		time.Sleep(disbeliefEvery)
		r.session.tell(e)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(r.log.String(), "level=WARN"))
		r.says(prompt.Welcome, prompt.EnterCode)
	})
}
