package dtmf

// Stats counts what a decoder or a merge met. EventDecoder leaves LeakSuppressed
// and Muted at 0, Merge all others.
type Stats struct {
	Events         uint64 // event reports read, packed and redundant ones included
	DupEnd         uint64 // end packets of a press that had ended
	Late           uint64 // packets overtaken by newer ones
	Lost           uint64 // presses that came too late to take their place
	ZeroDur        uint64 // reports of duration 0
	ReusedTS       uint64 // new presses under the timestamp of one that had ended
	Moved          uint64 // packets that belong to a press in spite of their timestamp or SSRC
	ForcedEnd      uint64 // key-ups concluded from silence
	Flash          uint64 // hook flashes (event 16)
	Other          uint64 // events that are no key
	Bad            uint64 // payloads, or rests of them, that are no event
	LeakSuppressed uint64 // copies of a press from another source
	Muted          uint64 // tones after the call had shown a better source
}
