package uas

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACallerMustTakeOurAnswer(t *testing.T) {
	h := newHouse(t, setting{})
	for accept, status := range map[string]int{
		"application/sdp": 200,
		"Application/SDP;level=1, application/x-private": 200,
		"text/plain, application/* ":                     200,
		"*/*":                                            200,
		"text/plain\r\nAccept: application/dtmf, */*;q=0.1": 200,
		"text/plain":            406,
		"":                      406,
		"application/sdp2, sdp": 406,
	} {
		p := h.udp(t)
		p.extra = "Accept: " + accept + "\r\n"
		p.send("INVITE", offerText, "application/sdp")
		p.expect(status)
	}
	require.Contains(t, h.log.String(), "status=406")
}
