package prompt

// Spoken is the tag of the language that is spoken for one: its own if it is in the
// catalogue.
func (c *Catalogue) Spoken(lang string) string {
	if l := c.fit(lang); l != nil {
		return l.tag
	}
	return ""
}

// Speaks says whether a language is in the catalogue, or one of the same primary language.
func (c *Catalogue) Speaks(lang string) bool { return c.speaks(lang) != nil }
