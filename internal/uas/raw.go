package uas

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// rawRequest is a request read only as far as an answer without state needs it
// (RFC 3261 section 8.2.7): header values stand as they were sent, unfolded.
type rawRequest struct {
	method, uri, version string
	startOK              bool // the start line has the three parts of section 7.1
	badLine              bool // a header line has no name
	crowded              bool // a line has more parameters than are read
	encrypted            bool // it came by TLS, as sips: asks for
	opens                bool // it is an INVITE of a new call, and not too many

	vias              []string
	from, to, callID  string
	cseq              string
	lengths           []string
	from2, to2, call2 bool // a header that may stand once stood twice
	cseq2, hops2      bool
}

// paramsMax bounds the parameters of a line, those of all its values together: sipgo
// compares each with all before it.
const paramsMax = 500

// usualLines is more than most messages have.
const usualLines = 32

// headerEnd is the index after the empty line that ends the header section, -1
// if there is none.
func headerEnd(msg []byte) int {
	if i := bytes.Index(msg, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return -1
}

// scanRequest reads a whole message; false if it is a response (of which only the
// headers are read) or has no line.
func scanRequest(msg []byte) (rawRequest, bool) {
	var r rawRequest
	head := msg
	if end := headerEnd(msg); end >= 0 {
		head = msg[:end]
	}
	lines, ok := unfold(head)
	r.badLine = !ok
	if len(lines) == 0 {
		return r, false
	}
	for _, line := range lines {
		r.crowded = r.crowded || strings.Count(line, ";")+strings.Count(line, "&") > paramsMax
	}
	isRequest := !strings.HasPrefix(lines[0], "SIP/")
	if isRequest {
		r.start(lines[0])
	}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || !isToken(name) {
			r.badLine = true
			continue
		}
		r.header(name, strings.TrimSpace(value))
	}
	return r, isRequest
}

// unfold cuts the header section into lines and joins continued ones (RFC 3261
// section 7.3.1). Every line must end with CRLF: a CR or LF alone would be a line
// to one reader and not to another. No line that is returned contains either.
func unfold(head []byte) (lines []string, ok bool) {
	ok = true
	text := string(head) // which the lines are parts of
	if n := strings.Count(text, "\r\n"); n > 0 {
		lines = make([]string, 0, min(n, usualLines))
	}
	var joined strings.Builder // the line before, if it goes on; each byte is copied once
	end := func() {
		if joined.Len() > 0 {
			lines[len(lines)-1] = joined.String()
			joined.Reset()
		}
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if line == "" {
			continue
		}
		if strings.ContainsAny(line, "\r\n") {
			ok = false
			line = strings.NewReplacer("\r", " ", "\n", " ").Replace(line)
		}
		if (line[0] == ' ' || line[0] == '\t') && len(lines) > 1 {
			if joined.Len() == 0 {
				joined.WriteString(lines[len(lines)-1])
			}
			joined.WriteByte(' ')
			joined.WriteString(strings.TrimSpace(line))
			continue
		}
		end()
		lines = append(lines, line)
	}
	end()
	return lines, ok
}

// start reads the request line: three parts between single spaces.
func (r *rawRequest) start(line string) {
	parts := strings.Split(line, " ")
	r.method = parts[0]
	r.version = parts[len(parts)-1]
	if len(parts) != 3 {
		return
	}
	r.uri = parts[1]
	r.startOK = isToken(r.method) && r.uri != "" && r.uri[0] != '<' && strings.HasPrefix(strings.ToUpper(r.version), "SIP/")
}

// header takes a header whose name is written in any case.
func (r *rawRequest) header(name, value string) {
	var lower [len("content-length")]byte // the longest that is looked for
	if len(name) > len(lower) {
		return
	}
	for i := range len(name) {
		lower[i] = name[i] | ' ' // of a letter the small one; no other of a token becomes one
	}
	once := func(to *string, twice *bool) {
		if *to != "" {
			*twice = true
			return
		}
		*to = value
	}
	switch string(lower[:len(name)]) {
	case "via", "v":
		r.vias = append(r.vias, value)
	case "from", "f":
		once(&r.from, &r.from2)
	case "to", "t":
		once(&r.to, &r.to2)
	case "call-id", "i":
		once(&r.callID, &r.call2)
	case "cseq":
		once(&r.cseq, &r.cseq2)
	case "content-length", "l":
		r.lengths = append(r.lengths, value)
	case "max-forwards":
		r.hops2 = r.hops2 || strings.Contains(value, ",")
	}
}

// fault names what makes the request malformed, as status and sentence; 0 if
// nothing does. The order is that of design page C3: version, mandatory headers,
// CSeq, scheme.
func (r *rawRequest) fault() (int, string) {
	if r.startOK && !strings.EqualFold(r.version, "SIP/2.0") {
		return 505, "Version Not Supported"
	}
	if !r.startOK {
		return 400, "Malformed Request Line"
	}
	for _, h := range []struct {
		value, name string
		twice       bool
	}{
		{r.from, "From", r.from2}, {r.to, "To", r.to2},
		{r.callID, "Call-ID", r.call2}, {r.cseq, "CSeq", r.cseq2},
	} {
		if h.value == "" {
			return 400, "Missing " + h.name
		}
		if h.twice {
			return 400, "Two " + h.name + " Headers"
		}
	}
	if r.badLine {
		return 400, "Malformed Header Line"
	}
	if r.crowded {
		return 400, "Too Many Parameters"
	}
	if r.hops2 {
		return 400, "Two Max-Forwards Values"
	}
	if reason := r.cseqFault(); reason != "" {
		return 400, reason
	}
	if _, err := r.length(); err != nil {
		return 400, "Bad Content-Length"
	}
	return r.uriFault()
}

func (r *rawRequest) cseqFault() string {
	number, method, _ := strings.Cut(strings.ReplaceAll(r.cseq, "\t", " "), " ")
	if n, err := strconv.ParseUint(number, 10, 32); err != nil || n >= 1<<31 {
		return "Bad CSeq Number" // section 8.1.1.5: below 2**31
	}
	if strings.TrimSpace(method) != r.method {
		return "CSeq Method Differs"
	}
	return ""
}

func (r *rawRequest) uriFault() (int, string) {
	scheme, rest, ok := strings.Cut(r.uri, ":")
	if !ok || scheme == "" {
		return 400, "Malformed Request URI"
	}
	if !strings.EqualFold(scheme, "sip") && !(r.encrypted && strings.EqualFold(scheme, "sips")) {
		return 416, "Unsupported URI Scheme"
	}
	if rest == "" || strings.ContainsAny(r.uri, "<>\"") {
		return 400, "Malformed Request URI"
	}
	return 0, ""
}

// length is the declared body length, -1 if none is. Several must agree.
func (r *rawRequest) length() (int, error) {
	size := -1
	for _, v := range r.lengths {
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil || size >= 0 && size != int(n) {
			return 0, fmt.Errorf("content length")
		}
		size = int(n)
	}
	return size, nil
}

// within says whether the request speaks of a dialog (RFC 3261 section 12.2.2).
func (r *rawRequest) within() bool {
	_, tagged := named(r.to, "tag")
	return tagged
}

// answerable says whether an answer would find its way and its transaction.
func (r *rawRequest) answerable() bool {
	return len(r.vias) > 0 && r.method != "" && r.method != "ACK"
}

// reply is the whole answer without state: Via, From, To, Call-ID and CSeq come
// back as they came (RFC 3261 section 8.2.6), with To tagged and the top Via
// telling where the request came from (sections 18.2.1, RFC 3581 section 4).
func (r *rawRequest) reply(status int, reason, tag string, from netip.AddrPort) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for i, via := range r.vias {
		if i == 0 {
			via = stampVia(via, from)
		}
		b.WriteString("Via: " + via + "\r\n")
	}
	to := r.to
	if to != "" && !r.within() {
		to += ";tag=" + tag
	}
	for _, h := range [][2]string{{"From", r.from}, {"To", to}, {"Call-ID", r.callID}, {"CSeq", r.cseq}} {
		if h[1] != "" {
			b.WriteString(h[0] + ": " + h[1] + "\r\n")
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}

// branch is that of the transaction; empty if there is none.
func (r *rawRequest) branch() string {
	top, _, _ := strings.Cut(r.vias[0], ",")
	branch, _ := named(top, "branch")
	return branch
}

// stampVia writes received into the first value of a Via header, in place of what it
// may hold already, and rport where it was asked for.
func stampVia(via string, from netip.AddrPort) string {
	values := split(via, ',')
	var kept []string
	for i, p := range split(values[0], ';') {
		name, _, _ := strings.Cut(p, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case i > 0 && name == "received":
			continue
		case i > 0 && name == "rport":
			p = "rport=" + strconv.Itoa(int(from.Port()))
		}
		kept = append(kept, strings.TrimSpace(p))
	}
	values[0] = strings.Join(kept, ";") + ";received=" + from.Addr().Unmap().String()
	return strings.Join(values, ",")
}

// replyPort is where on the source address the answer goes: the source port
// where rport asks for it, else the port of Via's sent-by (section 18.2.2).
func (r *rawRequest) replyPort(from netip.AddrPort) netip.AddrPort {
	first := split(r.vias[0], ',')[0]
	if _, asked := named(first, "rport"); asked {
		return from
	}
	sent, _, _ := strings.Cut(first, ";")
	fields := strings.Fields(sent)
	if len(fields) == 0 {
		return from
	}
	host := fields[len(fields)-1]
	port := uint64(5060)
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		n, err := strconv.ParseUint(host[colon+1:], 10, 16)
		if err != nil || n == 0 {
			return from
		}
		port = n
	}
	return netip.AddrPortFrom(from.Addr(), uint16(port))
}

// isToken is RFC 3261 section 25.1's token.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isTokenChar(r) })
}

func isTokenChar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-.!%*_+`'~", r)
}
