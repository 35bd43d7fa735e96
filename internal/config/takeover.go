package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// exchanged are the keys, with all below them, that a running service takes over.
var exchanged = []string{"sip.peers", "sip.digest", "sip.lead", "registrations", "prompts", "policy", "dialplan", "log.level", "drain"}

// Takeover is what a running service that has c in force does with next: the
// configuration that is then in force, the keys that differ and are taken over, and
// those that differ and need a restart. An error says why next as a whole has to wait
// for one.
func (c Config) Takeover(next Config) (then Config, taken, waiting []string, err error) {
	then = c
	then.SIP.Peers, then.SIP.Digest, then.SIP.Lead = next.SIP.Peers, next.SIP.Digest, next.SIP.Lead
	then.Registrations = next.Registrations
	then.Prompts, then.Policy, then.Dialplan, then.Plan = next.Prompts, next.Policy, next.Dialplan, next.Plan
	then.Log.Level, then.Drain = next.Log.Level, next.Drain
	then.from = next.from
	for _, key := range differences(reflect.ValueOf(c), reflect.ValueOf(next), "") {
		if slices.ContainsFunc(exchanged, func(e string) bool { return key == e || strings.HasPrefix(key, e+".") }) {
			taken = append(taken, key)
		} else {
			waiting = append(waiting, key)
		}
	}
	if !slices.Contains(taken, "dialplan") && !reflect.DeepEqual(c.Plan, next.Plan) {
		taken = append(taken, "dialplan")
	}
	if asked, kept := then.Plan.Limits.WrongCodes, then.Lockout.CallTries; asked > kept {
		return c, nil, nil, fmt.Errorf("the dialplan gives a call %d tries, but the lockout.call_tries in force is %d: restart star97 to take over both", asked, kept)
	}
	return then, taken, waiting, nil
}

// differences are the keys of two values of a type that are not the same.
func differences(a, b reflect.Value, path string) (keys []string) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case key == "-" || !f.IsExported():
		case options == "inline":
			keys = append(keys, differences(a.Field(i), b.Field(i), path)...)
		case a.Field(i).Kind() == reflect.Struct:
			keys = append(keys, differences(a.Field(i), b.Field(i), path+key+".")...)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			keys = append(keys, path+key)
		}
	}
	return keys
}
