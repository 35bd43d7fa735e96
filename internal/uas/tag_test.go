package uas

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// Whoever learned the tag of a call that is not his could confirm a forged INVITE.
func TestATagForADialogIsToldToNobodyElse(t *testing.T) {
	tags := newTagger()
	dialog := func(source, callID string) string {
		return tags.of("dialog", source, "INVITE", callID, "F", "1", "z9hG4bKx")
	}
	require.Equal(t, dialog("192.0.2.7", "C"), dialog("192.0.2.7", "C"), "the same for what is repeated")
	require.NotEqual(t, dialog("192.0.2.7", "C"), dialog("192.0.2.8", "C"), "another host's answer tells nothing")
	for _, callID := range []string{"C", "192.0.2.7\x00INVITE\x00C", "dialog\x00192.0.2.7\x00INVITE\x00C"} {
		refused := tags.raw(&rawRequest{callID: callID, from: "F", cseq: "1", vias: []string{"z9hG4bKx"}})
		require.NotEqual(t, dialog("192.0.2.7", "C"), refused)
	}
	require.NotEqual(t, tags.of("dialog", "a\x00b", "c"), tags.of("dialog", "a", "b\x00c"))
}

// The tag of the same INVITE depends on the host that it comes from.
func TestTheTagOfAnAnswerDependsOnWhereTheRequestCameFrom(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	req := p.build("INVITE", offerText, "application/sdp")
	tags := map[string]bool{}
	for _, source := range []string{"127.0.0.1:5060", "127.0.0.1:5070", "127.0.0.9:5060"} {
		msg, err := sip.NewParser().ParseSIP([]byte(req))
		require.NoError(t, err)
		msg.SetSource(source)
		tags[h.tagOf(msg.(*sip.Request))] = true
	}
	require.Len(t, tags, 2, "ports change behind NAT, hosts do not")
	for tag := range tags {
		require.Len(t, tag, 20)
		require.Empty(t, strings.Trim(tag, "0123456789abcdef"))
	}
}
