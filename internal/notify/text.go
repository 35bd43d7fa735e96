package notify

import (
	"embed"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"

	"star97/internal/mailbox"
)

//go:embed texts/*.yaml
var textFiles embed.FS

// texts are the mails in one language.
type texts struct {
	Words   map[string]string `yaml:"words"`
	Letters map[Kind]letter   `yaml:"letters"`
}

// letter is one mail, whose {words} are filled in.
type letter struct {
	Subject string `yaml:"subject"`
	Body    string `yaml:"body"`
}

// languages lists the tags of the texts, in order.
func languages() (tags []string) {
	files, _ := textFiles.ReadDir("texts") // it is part of the program
	for _, f := range files {
		tags = append(tags, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	return tags
}

func readTexts() (map[string]texts, error) {
	all := map[string]texts{}
	for _, tag := range languages() {
		data, err := textFiles.ReadFile(path.Join("texts", tag+".yaml"))
		if err != nil {
			return nil, err
		}
		var t texts
		if err := yaml.UnmarshalWithOptions(data, &t, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("texts of notices in %s: %w", tag, err)
		}
		all[tag] = t
	}
	return all, nil
}

// spokenIn is the tag of the texts for an owner's language (BCP 47): the same, or else
// another one of the same language, or else other.
func spokenIn(language, other string) string {
	primary, _, _ := strings.Cut(language, "-")
	near := ""
	for _, tag := range languages() {
		switch its, _, _ := strings.Cut(tag, "-"); {
		case strings.EqualFold(tag, language):
			return tag
		case near == "" && strings.EqualFold(its, primary):
			near = tag
		}
	}
	if near != "" {
		return near
	}
	return other
}

// stamp is a time as owners read it, in this machine's zone.
const stamp = "2006-01-02 15:04 (UTC-07:00)"

func shown(t time.Time) string { return t.Local().Format(stamp) }

// until goes on from "closed" or "good" in a sentence.
func (t texts) until(end time.Time) string {
	if end.IsZero() {
		return t.Words["unlocked"]
	}
	return strings.ReplaceAll(t.Words["until"], "{time}", shown(end))
}

// from tells where something came from: whose telephone or which administrator, and
// behind it what the audit trail knows.
func (t texts) from(n *notice) string {
	where, detail := t.Words["administrator"], n.actor
	switch n.door {
	case mailbox.OwnDoor:
		where = t.Words["own"]
	case mailbox.AnyDoor:
		where = t.Words["any"]
	}
	if n.actor == "" {
		detail = strings.TrimSpace(n.peer + " " + n.source)
	}
	if n.claim == mailbox.ByOneTime {
		where += ", " + t.Words["one-time-code"]
	}
	if detail != "" {
		where += " (" + detail + ")"
	}
	return where
}

// fill puts values into a letter, in pairs of word and value.
func (l letter) fill(pairs ...string) letter {
	r := strings.NewReplacer(pairs...)
	return letter{r.Replace(l.Subject), r.Replace(l.Body)}
}

// named is a mailbox as its owner knows it.
func named(extension, domain string) string {
	if domain == "" {
		return extension
	}
	return extension + " (" + domain + ")"
}

// clean is s without what a mail's header or a terminal would obey.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
}
