package caller

import "time"

// report gathers the figures once everything has stopped.
func (l *load) report() {
	d, r := l.deck, l.r
	t := &d.total
	if l.o.Mode == ScriptMode {
		t = &l.played
	}
	if r.Attempted == 0 {
		r.Attempted = r.Answered + r.Failed
	}
	r.Answer, r.ReadLate, r.DialLate = l.answer.Percentiles(), l.readLate.Percentiles(), l.dialLate.Percentiles()
	r.Refusal, r.Script = l.refusal.Percentiles(), l.lasted.Percentiles()
	r.BeatLate, r.Achieved = d.late.Percentiles(), l.invites.rate()
	r.take(t)
	if l.o.Mode == ScriptMode {
		r.Keys, r.NoNext = 0, 0
	}
	r.judge(l.dated())
	if l.silent > 0 && !l.heard.IsZero() {
		r.warn("the far end stopped answering: the last %d of our requests had no answer; see whether it still runs", l.silent)
	}
}

// take reads a tally.
func (r *LoadReport) take(t *tally) {
	r.FirstRTP, r.Stop, r.Next, r.Audible = t.first.Percentiles(), t.stop.Percentiles(), t.next.Percentiles(), t.audible.Percentiles()
	r.Pacing = t.pacing.Percentiles()
	r.LongestGap, r.SetupGap = milliseconds(t.longest), milliseconds(t.setupLongest)
	r.SetupOver = t.setupOver40
	r.GapsOver40, r.Keys, r.NoNext = t.over40, t.keys, t.noNext
	r.Packets, r.Lost, r.Late, r.Twice = t.packets, t.lost, t.late, t.twice
	r.Unopened = t.unopened
	r.BeforeAck, r.NoRTP, r.Complete, r.Gapped = t.early, t.mute, t.complete, t.gapped
	r.Keyless = t.keyless
	q := &t.quality
	r.Quality = Quality{Jitter: q.jitter.Percentiles(), WithLoss: q.withLoss, WorstLoss: round(q.worst, 2), Told: q.told, Untold: q.untold,
		FarLost: q.farLost, FarJitter: q.farJitter.Percentiles(), RoundTrip: q.trip.Percentiles()}
}

// judge says what makes the run no verdict, and what else its reader should know. dated:
// the kernel dates the answers.
func (r *LoadReport) judge(dated bool) {
	if took, most := time.Duration(r.Usage.Stolen*float64(time.Second)), r.Usage.stolenAtMost(); took > most {
		r.doubt("the machine's host took %v of processor time (%v at most); run it again when it is quiet", took.Round(10*time.Millisecond), most)
	}
	r.judgeBeat(dated)
	r.judgeCalls()
	if r.Keyless > 0 {
		r.doubt("in %d calls no key could be pressed: the far end takes no telephone-event, or held the call; try --digits inband", r.Keyless)
	}
	if r.Unheard > 0 {
		r.doubt("the telephones were too busy to listen to %d packets; fewer calls or a faster machine", r.Unheard)
	}
	if r.Unnoted > 0 {
		r.warn("%d packets are in no figure: of a call in a script the first %d are", r.Unnoted, maxLog)
	}
	if r.Interrupted {
		r.warn("interrupted: what follows is of the time until then")
	}
	if r.Usage.Missing != "" {
		r.warn("%s", r.Usage.Missing)
	}
}

// judgeBeat says what a late beat of ours means. It alters the moments at which we send, and
// so the times of keys that a beat or a script sends; what comes is dated by the kernel.
func (r *LoadReport) judgeBeat(dated bool) {
	late, ours := r.BeatLate.P99, r.Mode == KeysMode || r.Mode == ScriptMode
	switch {
	case ours && late > lateKeys:
		r.doubt("the generator woke %.1f ms late at p99 (%g ms at most where keys are timed): so late may its keys be; fewer calls or a faster machine", late, lateKeys)
	case r.Mode == RateMode && !dated && late > lateKeys:
		r.doubt("the generator woke %.1f ms late at p99 (%g ms at most where answers have no time of the kernel): so late may it have read them; fewer calls or a faster machine", late, lateKeys)
	case late > lateLoad:
		r.doubt("the generator woke %.1f ms late at p99 (%g ms at most): its packets left in heaps, which is not the load that was asked for; fewer calls or a faster machine", late, lateLoad)
	case late > lateKeys:
		r.warn("the generator woke %.1f ms late at p99: so unevenly the far end got our packets; what it sent is dated by the kernel", late)
	}
	if stood := r.BeatLate.Max + milliseconds(gapSlack); r.Mode != RateMode && r.GapsOver40 > 0 && r.LongestGap <= stood {
		r.doubt("the generator itself stood still for %.0f ms once: a gap of %.0f ms may be this machine's; run it again when it is quiet", r.BeatLate.Max, r.LongestGap)
	}
}

// judgeCalls says what it means that calls began late or never, or that answers were read late.
func (r *LoadReport) judgeCalls() {
	if r.NotPlaced > 0 {
		r.doubt("%d not placed: --calls %d were all in use, which is not the rate that was asked for; raise --calls, or shorten --hold", r.NotPlaced, r.Calls)
	}
	if r.ReadLate.P99 <= lateStart && r.DialLate.P99 <= lateStart {
		return
	}
	tell, what := r.warn, "how calls are set up is not measured"
	if r.Mode == RateMode {
		tell, what = r.doubt, "it is not the rate that was asked for"
	}
	tell("INVITEs left %.1f ms late and answers were read %.1f ms late at p99 (%g ms at most): %s; fewer calls or a faster machine", r.DialLate.P99, r.ReadLate.P99, lateStart, what)
}
