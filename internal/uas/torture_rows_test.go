package uas

// tortured is one message of RFC 4475 or RFC 5118 and what a user agent server owes for
// it that serves INVITE and OPTIONS but is no registrar.
type tortured struct {
	section, name string
	udp, tcp      string // final answers, the lowest first; "-": none; "end": the connection is closed
	owes          string // a header line that the last answer has, by its beginning
	says          string // the RFC, or RFC 3261 where that leaves it to it
	gap           string // why we answer otherwise; empty: we answer as said
}

const registers = "a registrar's matter; Allow says that we are none"

var rfc4475 = []tortured{
	// 3.1.1 valid messages
	{"3.1.1.1", "wsinv", "481", "481", "", "valid, folded and spaced; its To has a tag, and no such dialog is", ""},
	{"3.1.1.2", "intmeth", "405", "405", "Allow: INVITE", "well formed; the method is unknown", ""},
	{"3.1.1.3", "esc01", "200", "200", "Contact: ", "valid escapes; sips%3A is a user, no scheme", ""},
	{"3.1.1.4", "escnull", "405", "405", "Allow: INVITE", "a null may be escaped in a user part; " + registers, ""},
	{"3.1.1.5", "esc02", "405", "405", "Allow: INVITE", "% in a method stands for itself: it is not REGISTER", ""},
	{"3.1.1.6", "lwsdisp", "200", "200", "Allow: INVITE", "valid without a blank before the bracket", ""},
	{"3.1.1.7", "longreq", "200", "200", "Contact: ", "valid, each header with long values", ""},
	{"3.1.1.8", "dblreq", "405", "400 405 end", "", "over UDP the bytes after the first message are ignored; the second one of a stream has no Contact, and what follows its length is none", ""},
	{"3.1.1.9", "semiuri", "200", "200", "Allow: INVITE", "semicolons belong to the user part", ""},
	{"3.1.1.10", "transports", "200", "200", "Allow: INVITE", "valid with unknown transports in Via", ""},
	{"3.1.1.11", "mpart01", "405", "405", "Allow: INVITE", "well formed with nulls in its body; MESSAGE is not served", ""},
	{"3.1.1.12", "unreason", "-", "-", "", "a response of no transaction", ""},
	{"3.1.1.13", "noreason", "-", "-", "", "a response of no transaction, with an empty reason", ""},
	// 3.1.2 invalid messages
	{"3.1.2.1", "badinv01", "400", "400", "", "separators that separate nothing", ""},
	{"3.1.2.2", "clerr", "400", "- end", "", "more length than bytes: 400 over UDP; a stream waits for the rest", ""},
	{"3.1.2.3", "ncl", "400", "400 end", "", "negative length: 400, and the end of a stream", ""},
	{"3.1.2.4", "scalar02", "400", "400", "", "numbers too large for their fields", ""},
	{"3.1.2.5", "scalarlg", "-", "-", "", "a response with such numbers is dropped", ""},
	{"3.1.2.6", "quotbal", "400", "400", "", "a quoted string has no end", ""},
	{"3.1.2.7", "ltgtruri", "400", "400", "", "brackets around the Request-URI may be refused", ""},
	{"3.1.2.8", "lwsruri", "400", "400", "", "blanks within the Request-URI", ""},
	{"3.1.2.9", "lwsstart", "400", "400", "", "several blanks in the request line may be refused", ""},
	{"3.1.2.10", "trws", "400", "400", "", "blanks after the version may be refused", ""},
	{"3.1.2.11", "escruri", "200", "200", "Contact: ", "headers in the Request-URI may be ignored", ""},
	{"3.1.2.12", "baddate", "200", "200", "Contact: ", "a Date that is not in GMT may be ignored where it is not used", ""},
	{"3.1.2.13", "regbadct", "405", "405", "Allow: INVITE", registers, ""},
	{"3.1.2.14", "badaspec", "400", "400", "", "blanks within an addr-spec may be refused", ""},
	{"3.1.2.15", "baddn", "400", "- end", "", "a display name that is no token; and no empty line ends the message", ""},
	{"3.1.2.16", "badvers", "505", "505", "", "an unknown version", ""},
	{"3.1.2.17", "mismatch01", "400", "400", "", "method and CSeq differ", ""},
	{"3.1.2.18", "mismatch02", "400", "400", "", "method and CSeq differ, and the method is unknown: 400 or 501", ""},
	{"3.1.2.19", "bigcode", "-", "-", "", "a response of a status beyond 699 is dropped", ""},
	// 3.2 to 3.4 transactions, applications, backward compatibility
	{"3.2.1", "badbranch", "200", "200", "Allow: INVITE", "a branch of the magic cookie alone: 400, or what RFC 2543 names a transaction by", ""},
	{"3.3.1", "insuf", "400", "400", "", "no Call-ID, From or To", ""},
	{"3.3.2", "unkscm", "416", "416", "", "an unknown scheme", ""},
	{"3.3.3", "novelsc", "416", "416", "", "a known scheme that is not served", ""},
	{"3.3.4", "unksm2", "405", "405", "Allow: INVITE", "unknown schemes in To, From and Contact; " + registers, ""},
	{"3.3.5", "bext01", "420", "420", "Unsupported: nothingSupportsThis, nothingSupportsThisEither", "each tag of Require is told, none of Proxy-Require", ""},
	{"3.3.6", "invut", "415", "415", "Accept: application/sdp", "an unknown body", ""},
	{"3.3.7", "regaut01", "405", "405", "Allow: INVITE", registers, ""},
	{"3.3.8", "multi01", "400", "400", "", "headers twice that may stand once", ""},
	{"3.3.9", "mcl01", "400", "400 end", "", "two lengths: 400, and the end of a stream", ""},
	{"3.3.10", "bcast", "-", "-", "", "a response whose Via names the broadcast address is dropped", ""},
	{"3.3.11", "zeromf", "200", "200", "Allow: INVITE", "OPTIONS with no hop left: 483 or the answer", ""},
	{"3.3.12", "cparam01", "405", "405", "Allow: INVITE", registers, ""},
	{"3.3.13", "cparam02", "405", "405", "Allow: INVITE", registers, ""},
	{"3.3.14", "regescrt", "405", "405", "Allow: INVITE", registers, ""},
	{"3.3.15", "sdp01", "406", "406", "Warning: ", "Accept leaves no body that we could answer with: 406 or 400", ""},
	{"3.4.1", "inv2543", "200", "400 end", "", "whoever is to serve RFC 2543 accepts it; over a stream it has no length",
		"it names no Contact, which RFC 3261 section 8.1.1.8 asks for and our BYE needs: 400"},
}

var rfc5118 = []tortured{
	{"4.1", "ipv6-good", "405", "405", "Allow: INVITE", "valid; " + registers, ""},
	{"4.2", "ipv6-bad", "400", "400", "", "the brackets are missing: 400", ""},
	{"4.3", "port-ambiguous", "405", "405", "Allow: INVITE", "well formed: what looks like a port is of the address; " + registers, ""},
	{"4.4", "port-unambiguous", "405", "405", "Allow: INVITE", "valid; " + registers, ""},
	{"4.5", "via-received-param-with-delim", "481", "481", "", "received with brackets must be read; no such dialog is", ""},
	{"4.5", "via-received-param-no-delim", "200", "200", "Allow: INVITE", "received without brackets must be read", ""},
	{"4.6", "ipv6-in-sdp", "488", "488", "Warning: 305", "valid; G.726-32 is not served", ""},
	{"4.7", "mult-ip-in-header", "481", "481", "", "valid; no such dialog is", ""},
	{"4.8", "mult-ip-in-sdp", "200", "200", "Contact: ", "valid: audio over IPv4, video over IPv6", ""},
	{"4.9", "ipv4-mapped-ipv6", "488", "488", "Warning: 305", "valid; G.726-32 is not served", ""},
	{"4.10", "ipv6-bug-abnf-3-colons", "200", "200", "Allow: INVITE", "three colons must be tolerated", ""},
	{"4.10", "ipv6-correct-abnf-2-colons", "200", "200", "Allow: INVITE", "valid", ""},
}
