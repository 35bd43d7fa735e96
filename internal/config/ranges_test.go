package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"star97/internal/backend"
)

// A comment that names a range is true: what lies outside of it is refused with the
// option's name, and its ends are not.
func TestTheRangesInCommentsAreThoseThatAreChecked(t *testing.T) {
	b := &templateBuilder{t: t, docs: map[string]map[string]string{}, keys: map[string]string{}}
	b.learn(reflect.TypeFor[Config]())
	checked := 0
	b.leaves(reflect.ValueOf(Default()), "", func(path string, f templateField) {
		for _, end := range endsOf(f) {
			key := path[strings.LastIndexByte(path, '.')+1:]
			refused := func(value string) bool {
				_, found := Load(written(t, nested(path, value)))
				for _, p := range found {
					if strings.Contains(p.Text, key+" is "+value) || strings.Contains(p.Text, "must be") || strings.Contains(p.Text, key+" is "+timed(value)) {
						return true
					}
				}
				return false
			}
			assert.False(t, refused(end.at), "%s: %s is refused, but the comment says: %s", path, end.at, f.doc)
			assert.True(t, refused(end.beyond), "%s: %s is not refused, but the comment says: %s", path, end.beyond, f.doc)
			checked++
		}
	})
	require.Greater(t, checked, 60)
}

// end is the first or last value of a range, and the next one that is outside.
type end struct{ at, beyond string }

var rangeOf = regexp.MustCompile(`(?:^|[\s;,])([0-9][0-9a-z]*)(?:-| to )([0-9][0-9a-z]*)\b`)

// endsOf reads "1 to 10", "1-30" and "20ms to 2s" out of a comment; an end that is
// another option is left out.
func endsOf(f templateField) (all []end) {
	m := rangeOf.FindStringSubmatch(f.doc)
	if m == nil {
		return nil
	}
	if f.value.Type() == reflect.TypeFor[time.Duration]() {
		for i, step := range []time.Duration{-1, 1} {
			if d, err := time.ParseDuration(m[1+i]); err == nil {
				all = append(all, end{d.String(), (d + step*time.Millisecond).String()})
			}
		}
		return all
	}
	if !f.value.CanInt() && !f.value.CanUint() {
		return nil
	}
	for i, step := range []int{-1, 1} {
		if n, err := strconv.Atoi(m[1+i]); err == nil {
			all = append(all, end{strconv.Itoa(n), strconv.Itoa(n + step)})
		}
	}
	return all
}

// timed is a duration as messages print it.
func timed(value string) string {
	d, err := time.ParseDuration(value)
	if err != nil {
		return value
	}
	return d.String()
}

// nested is a file that says nothing but one option, and chooses the driver or the way to
// owners whose it is: the options of others are not looked at.
func nested(path, value string) string {
	keys := strings.Split(path, ".")
	if keys[0] == "store" && slices.Contains(backend.Names(), keys[1]) {
		keys[1] = "driver: " + keys[1] + ", " + keys[1]
	}
	switch last := len(keys) - 1; {
	case strings.HasPrefix(path, "notify.mail."):
		keys[last] = "host: mail.example.org, " + keys[last]
	case strings.HasPrefix(path, "notify.webhook.api."):
		keys[last] = "url: 'https://notices.example.org/', " + keys[last]
	}
	return strings.Join(keys, ": {") + ": " + value + strings.Repeat("}", len(keys)-1) + "\n"
}

// leaves visits the options that are no lists and no sections.
func (b *templateBuilder) leaves(v reflect.Value, path string, visit func(string, templateField)) {
	for _, f := range b.fields(v) {
		if isSection(f.value.Type()) {
			b.leaves(f.value, path+f.key+".", visit)
			continue
		}
		visit(fmt.Sprint(path, f.key), f)
	}
}
