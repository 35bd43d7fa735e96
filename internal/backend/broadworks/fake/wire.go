package fake

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"strings"
)

const endTag = "</BroadsoftDocument>"

// element is one of a request.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Elements []element  `xml:",any"`
}

func (e element) attr(space, name string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e element) of(name string) string {
	for _, c := range e.Elements {
		if c.XMLName.Local == name {
			return c.Text
		}
	}
	return ""
}

// serve answers the documents of one connection, each after the other.
func (f *Server) serve(ctx context.Context, conn net.Conn) {
	var got []byte
	room := make([]byte, 4096)
	for {
		n, err := conn.Read(room)
		if err != nil {
			return
		}
		got = append(got, room[:n]...)
		for {
			end := bytes.Index(got, []byte(endTag))
			if end < 0 {
				break
			}
			end += len(endTag)
			doc := got[:end:end]
			got = bytes.Clone(got[end:])
			answer, keep := f.orders.Take(opOf(doc)).Reply(ctx, func() []byte { return f.document(doc, nil) })
			if _, err := conn.Write(answer); err != nil || !keep {
				return
			}
		}
	}
}

// opOf names a document for Orders.
func opOf(doc []byte) string {
	_, after, _ := bytes.Cut(doc, []byte(`<command xsi:type="`))
	name, _, _ := bytes.Cut(after, []byte(`"`))
	switch kind := string(name); {
	case kind == "AuthenticationRequest", strings.HasPrefix(kind, "LoginRequest"):
		return OpLogin
	case kind == "LogoutRequest":
		return OpLogout
	case strings.HasPrefix(kind, "UserGetListIn"):
		return OpFind
	case strings.HasPrefix(kind, "AuthenticationVerifyRequest"):
		return OpVerify
	case kind == "UserPortalPasscodeGetInfoRequest":
		return OpInfo
	case kind == "UserPortalPasscodeRulesGetRequest":
		return OpRules
	case kind == "UserPortalPasscodeModifyRequest":
		return OpWrite
	}
	return OpOther
}

// document answers one. It refuses what is not of the protocol with an error for the
// whole document, as for a command that is not of the schema.
func (f *Server) document(doc []byte, cookie *string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	var root struct {
		XMLName  xml.Name `xml:"C BroadsoftDocument"`
		Protocol string   `xml:"protocol,attr"`
		Session  struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:"sessionId"`
		Commands []element `xml:"command"`
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if charset != "ISO-8859-1" || bytes.ContainsFunc(doc, func(r rune) bool { return r > 0x7E }) {
			return nil, io.ErrUnexpectedEOF // the fake reads ASCII of it
		}
		return input, nil
	}
	if err := d.Decode(&root); err != nil || root.Protocol != "OCI" || root.Session.Text == "" || root.Session.XMLName.Space != "" ||
		len(root.Commands) == 0 || len(root.Commands) > 15 {
		return f.wrap("", f.refuse(6003, "OCI XML message error", "OCI-XML-Fehler"))
	}
	var answers []string
	for _, c := range root.Commands {
		answers = append(answers, f.command(root.Session.Text, c, cookie))
	}
	return f.wrap(root.Session.Text, strings.Join(answers, ""))
}

// wrap makes the document of an answer, in ISO 8859-1.
func (f *Server) wrap(session, commands string) []byte {
	text := `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" +
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sessionId xmlns="">` +
		escape(session) + `</sessionId>` + commands + endTag
	if f.settings.SOAP {
		return []byte(text)
	}
	latin := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			r = '?'
		}
		latin = append(latin, byte(r))
	}
	return append(latin, '\n')
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// soap answers documents in SOAP. A session is bound to the cookie that its first answer
// brought (invented; clients of the field keep cookies).
func (f *Server) soap() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webservice/services/ProvisioningService", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		parameter := f.settings.Parameter
		f.mu.Unlock()
		if parameter == "" {
			parameter = "arg0"
		}
		doc, ok := unwrap(r, parameter)
		if !ok || r.Header.Get("SOAPAction") != `""` || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault><faultcode>soapenv:Client</faultcode></soapenv:Fault></soapenv:Body></soapenv:Envelope>`)
			return
		}
		cookie := ""
		if c, err := r.Cookie("JSESSIONID"); err == nil {
			cookie = c.Value
		} else {
			cookie = rand.Text()
			http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: cookie, Path: "/webservice"})
		}
		answer := f.document(doc, &cookie)
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>`+
			`<processOCIMessageResponse xmlns=""><ns1:processOCIMessageReturn xmlns:ns1="urn:com:broadsoft:webservice">`+escape(string(answer))+
			`</ns1:processOCIMessageReturn></processOCIMessageResponse></soapenv:Body></soapenv:Envelope>`)
	})
	return mux
}

// unwrap takes the document out of a request.
func unwrap(r *http.Request, parameter string) ([]byte, bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var envelope struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Call element `xml:"processOCIMessage"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if xml.Unmarshal(body, &envelope) != nil {
		return nil, false
	}
	doc := envelope.Body.Call.of(parameter)
	return []byte(doc), doc != ""
}

// opOfRequest names a request of SOAP for Orders.
func opOfRequest(r *http.Request) string {
	for _, parameter := range []string{"arg0", "in0"} {
		if doc, ok := unwrap(r, parameter); ok {
			return opOf(doc)
		}
	}
	return OpOther
}
