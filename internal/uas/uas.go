// Package uas is star97's SIP user agent server (RFC 3261): transports and
// transactions are sipgo's, the dialog layer is ours: messages of one dialog in
// order, 2xx retransmission, delayed offer, re-INVITE, UPDATE, INFO, the front
// door. It decides who may call and which door they take, not what they hear.
package uas
