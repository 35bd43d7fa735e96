package prompt

// Spoken is the tag of the language that is spoken for one: its own if it is in the
// catalogue.
func (c *Catalogue) Spoken(lang string) string {
	if l := c.fit(lang); l != nil {
		return l.tag
	}
	return ""
}
