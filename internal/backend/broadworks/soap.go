package broadworks

import (
	"context"
	"html"
	"net/http"
	"strings"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// soapPath is where the interface stands on a server of the web.
const soapPath = "/webservice/services/ProvisioningService"

const (
	soapHead = `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="` + xsiSpace + `"><soapenv:Body>` +
		`<processOCIMessage soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">`
	soapTail = `</processOCIMessage></soapenv:Body></soapenv:Envelope>`
)

// soap carries documents as escaped texts in SOAP 1.1. One of it is one session of the
// web too: it sends back the cookies that its own answers bring.
type soap struct {
	client    *httpapi.Client
	parameter string // name of the element that the document stands in
	cookies   map[string]string
}

func (c *soap) alive() bool   { return true }
func (c *soap) decoded() bool { return true }
func (c *soap) close()        {}

func (c *soap) exchange(ctx context.Context, op string, doc []byte, safe bool) ([]byte, error) {
	body := c.envelope(doc)
	defer clear(body[:cap(body)])
	header := http.Header{}
	header.Set("Content-Type", "text/xml; charset=utf-8")
	header.Set("Accept", "text/xml")
	header.Set("SOAPAction", `""`)
	if len(c.cookies) > 0 {
		var pairs []string
		for name, value := range c.cookies {
			pairs = append(pairs, name+"="+value)
		}
		header.Set("Cookie", strings.Join(pairs, "; "))
	}
	a, err := c.client.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodPost, Path: soapPath, Header: header, Body: body, Safe: safe, Want: "xml",
	})
	if err != nil {
		return nil, err
	}
	defer clear(a.Body)
	c.keep(a.Header)
	envelope, err := parse(a.Body, false)
	if err == nil {
		inner := envelope.child("Body").child("processOCIMessageResponse").child("processOCIMessageReturn")
		if inner != nil {
			return inner.text, nil
		}
	}
	code := mailbox.Unavailable
	if !safe {
		code = mailbox.OutcomeUnknown
	}
	return nil, mailbox.Fail(op, code, errShape)
}

// maxCookies bounds what a server can make a session carry.
const maxCookies = 16

func (c *soap) keep(h http.Header) {
	for _, cookie := range (&http.Response{Header: h}).Cookies() {
		if cookie.MaxAge < 0 {
			delete(c.cookies, cookie.Name)
		} else if _, known := c.cookies[cookie.Name]; known || len(c.cookies) < maxCookies {
			c.cookies[cookie.Name] = cookie.Value
		}
	}
}

// envelope is the request with the document in it.
func (c *soap) envelope(doc []byte) []byte {
	body := make([]byte, 0, 4*maxMessage)
	body = append(body, soapHead...)
	body = append(body, "<"+c.parameter+` xsi:type="soapenc:string" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/">`...)
	for _, b := range doc {
		switch b {
		case '&', '<', '>', '"':
			body = append(body, html.EscapeString(string(rune(b)))...)
		default:
			body = append(body, b)
		}
	}
	body = append(body, "</"+c.parameter+">"...)
	return append(body, soapTail...)
}
