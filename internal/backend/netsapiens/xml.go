package netsapiens

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

// maxDepth is how deep an XML answer may go.
const maxDepth = 8

// fromXML reads users of API v1 whatever the elements around them are called: an
// element is a user if one without children in it is called user. It errs on what is no
// XML. The decoder's own buffer holds what it reads until the garbage collector takes
// it, codes included.
func fromXML(body []byte) ([]person, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var people []person
	var now wirePerson
	var depth, fields int // fields is the depth of the fields that are being read
	leaf := false         // the last tag opened an element
	var value []byte
	defer func() { clear(value[:cap(value)]) }()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return people, nil
		}
		if err != nil || depth > maxDepth {
			return nil, errShape
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "html" {
				return nil, errShape // a page for people
			}
			depth++
			leaf, value = true, value[:0]
		case xml.CharData:
			value = append(value, t...)
		case xml.EndElement:
			switch {
			case leaf:
				now.set(t.Name.Local, bytes.TrimSpace(value))
				fields = depth
			case depth == fields-1:
				if now.User != "" {
					people = append(people, now.person())
				}
				now = wirePerson{}
			}
			leaf = false
			depth--
		}
	}
}

// set takes one field of API v1.
func (w *wirePerson) set(name string, value []byte) {
	for known, field := range map[string]*text{
		"user": &w.User, "domain": &w.Domain, "first_name": &w.First1, "last_name": &w.Last1, "language": &w.Language1, "email": &w.Address1,
		"vmail_enabled": &w.Enabled1, "vmail_provisioned": &w.Made1, "account_status": &w.Status1,
	} {
		if name == known {
			*field = text(value)
		}
	}
	if name == "subscriber_pin" && len(value) > 0 {
		w.Given1.set(value, formText)
	}
}
