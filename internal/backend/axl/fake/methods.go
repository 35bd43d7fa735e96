package fake

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/pin"
)

// The statements that this server knows: the user of a number, and the numbers of all.
const everyone = "select eu.userid, n.dnorpattern from enduser eu join endusernumplanmap m on m.fkenduser = eu.pkid" +
	" join numplan n on n.pkid = m.fknumplan where m.tkdnusage = 1"

var statement = regexp.MustCompile(`^select eu\.userid, eu\.pkid from enduser eu join endusernumplanmap m on m\.fkenduser = eu\.pkid` +
	` join numplan n on n\.pkid = m\.fknumplan where n\.dnorpattern = '((?:\\\+)?[0-9]+)' and m\.tkdnusage = 1$`)

func (s *Server) executeSQLQuery(q request) (returned, *fault) {
	sql, _ := q.args.get("sql")
	m := statement.FindStringSubmatch(sql)
	switch {
	case s.NoSQL:
		return returned{}, &fault{code: 599, words: "the user is not allowed to send SQL"}
	case sql == everyone:
		return s.numbers(), nil
	case m == nil:
		return returned{}, &fault{code: 201, words: "A syntax error has occurred."}
	}
	var back returned
	for _, p := range s.people {
		if p.Extension == m[1] {
			row := returned{}
			row.add("userid", "%s", p.ID)
			row.add("pkid", "%s", strings.ToLower(strings.Trim(p.uuid, "{}")))
			back.in = append(back.in, field{"row", row})
		}
	}
	return back, nil
}

// numbers are all primary extensions, in no order.
func (s *Server) numbers() (back returned) {
	for _, p := range slices.Backward(s.people) {
		if p.Extension != "" {
			row := returned{}
			row.add("userid", "%s", p.ID)
			row.add("dnorpattern", "%s", p.Extension)
			back.in = append(back.in, field{"row", row})
		}
	}
	return back
}

// named is the user of a request whose first element is uuid or userid.
func (s *Server) named(q request, code int) (*person, *fault) {
	if len(q.args.in) == 0 || q.args.in[0].name != "userid" && q.args.in[0].name != "uuid" {
		return nil, &fault{words: "the schema has uuid or userid first"}
	}
	first := q.args.in[0]
	for _, p := range s.people {
		if first.name == "userid" && p.ID == first.text || first.name == "uuid" && strings.EqualFold(p.uuid, first.text) {
			return p, nil
		}
	}
	return nil, &fault{code: code, words: "Item not valid: The specified User was not found"}
}

// tags are the elements of a user that this server tells, in the order of the schema.
func tags(version string) []string {
	order := []string{"firstName", "lastName", "userid", "mailid"}
	if newer("10.0", version) {
		order = append(order, "telephoneNumber")
	}
	order = append(order, "userLocale", "primaryExtension", "pinCredentials", "status")
	if !newer("9.0", version) {
		order = append(order, "homeCluster")
	}
	if !newer("10.0", version) {
		order = append(order, "telephoneNumber", "selfService", "ldapDirectoryName")
	}
	return order
}

// pinTags are what stands with a PIN, in the order of the schema.
var pinTags = []string{
	"pinCredPolicyName", "pinCredUserCantChange", "pinCredUserMustChange", "pinCredDoesNotExpire", "pinCredTimeChanged",
	"pinCredTimeAdminLockout", "pinCredLockedByAdministrator", "pinResetHackCount",
}

func (s *Server) getUser(q request) (returned, *fault) {
	if f := q.args.ordered([]string{"uuid", "userid", "returnedTags"}); f != nil {
		return returned{}, f
	}
	wanted, restricted := q.args.child("returnedTags")
	if restricted {
		if f := wanted.ordered(tags(q.version)); f != nil {
			return returned{}, f
		}
		if inner, ok := wanted.child("pinCredentials"); ok {
			if f := inner.ordered(pinTags); f != nil {
				return returned{}, f
			}
		}
	}
	p, f := s.named(q, 5007)
	if f != nil {
		return returned{}, f
	}
	var user returned
	for _, name := range tags(q.version) {
		if _, ok := wanted.child(name); ok || !restricted {
			user.in = append(user.in, field{name, p.tell(name)})
		}
	}
	return returned{in: []field{{"user", user}}}, nil
}

func (p *person) tell(name string) (r returned) {
	switch name {
	case "firstName":
		return text("%s", p.First)
	case "lastName":
		return text("%s", p.Last)
	case "userid":
		return text("%s", p.ID)
	case "mailid":
		return text("%s", p.Mail)
	case "userLocale":
		return text("%s", p.Locale)
	case "telephoneNumber":
		return text("%s", p.Telephone)
	case "status":
		return text("%d", p.Status)
	case "homeCluster":
		return text("%t", !p.Elsewhere)
	case "ldapDirectoryName":
		return text("%s", p.LDAP)
	case "primaryExtension":
		if p.Extension != "" {
			r.add("pattern", "%s", p.Extension)
			r.add("routePartitionName", "%s", p.Partition)
		}
	case "pinCredentials":
		changed := p.Changed.UTC().Format("January 2, 2006 15:04:05") + " GMT"
		if p.NoTime {
			changed = "true"
		}
		r.add("pinCredPolicyName", "%s", p.Policy)
		r.add("pinCredUserCantChange", "%t", p.CantChange)
		r.add("pinCredUserMustChange", "%t", p.MustChange)
		r.add("pinCredDoesNotExpire", "%t", p.DoesNotExpire)
		r.add("pinCredTimeChanged", "%s", changed)
		r.add("pinCredTimeAdminLockout", "")
		r.add("pinCredLockedByAdministrator", "%t", p.Locked)
	}
	return r
}

var fourOrMore = regexp.MustCompile(`^[0-9]{4,}$`)

func (s *Server) doAuthenticateUser(q request) (returned, *fault) {
	if f := q.args.ordered([]string{"userid", "password", "pin"}); f != nil || len(q.args.in) != 2 {
		return returned{}, &fault{words: "the schema has userid and then password or pin"}
	}
	digits, ok := q.args.get("pin")
	if !ok || !fourOrMore.MatchString(digits) {
		return returned{}, &fault{words: "the value does not match the pattern of the type of pin"}
	}
	p, f := s.named(q, 5007)
	if f != nil {
		return returned{}, f
	}
	code, err := pin.Parse(digits)
	number := Wrong
	if err == nil {
		number = s.judge(p, code)
	}
	var back returned
	back.add("userAuthenticated", "%t", number == Right)
	back.add("code", "%d", number)
	back.add("daysToExpiry", "%d", 90)
	if !newer("11.5", q.version) {
		back.add("isWarningNeeded", "%t", false)
	}
	return back, nil
}

// judge tries a PIN, which counts for the lock-out.
func (s *Server) judge(p *person, code pin.PIN) int {
	policy, now := s.policy(p), time.Now()
	if !p.hacked.IsZero() && policy.Lockout > 0 && now.Sub(p.hacked) > policy.Lockout {
		p.forgive()
	}
	switch {
	case p.Status == 0:
		return Inactive
	case p.Locked:
		return AdmLocked
	case !p.hacked.IsZero():
		return HackLocked
	}
	if slices.ContainsFunc(p.cache, func(c cached) bool { return now.Before(c.until) && c.code.Equal(&code) }) {
		return Right // the policy is not asked either
	}
	if !p.code.Shown().Equal(&code) {
		if now.Sub(p.lastHack) > policy.Reset {
			p.hacks = 0
		}
		p.hacks, p.lastHack = p.hacks+1, now
		if policy.FailedLogon > 0 && p.hacks >= policy.FailedLogon {
			p.hacked = now
		}
		return Wrong
	}
	switch {
	case p.MustChange && s.RefusesMustChange:
		return MustChange
	case policy.ExpiresDays > 0 && !p.DoesNotExpire && now.Sub(p.Changed) > time.Duration(policy.ExpiresDays)*24*time.Hour:
		return Expired
	}
	p.hacks = 0
	if s.Cache > 0 {
		p.cache = append(p.cache, cached{code, now.Add(s.Cache)})
	}
	return Right
}

// updateTags are the elements of updateUser that this server knows, in the order of the schema.
var updateTags = []string{"uuid", "userid", "firstName", "lastName", "newUserid", "password", "pin", "mailid", "pinCredentials"}

func (s *Server) updateUser(q request) (returned, *fault) {
	if f := q.args.ordered(updateTags); f != nil {
		return returned{}, f
	}
	states, _ := q.args.child("pinCredentials")
	if f := states.ordered(pinTags); f != nil {
		return returned{}, f
	}
	p, f := s.named(q, 5003)
	if f != nil {
		return returned{}, f
	}
	next := *p
	for _, c := range states.in {
		value := c.text == "true" || c.text == "t"
		switch {
		case !value && c.text != "false" && c.text != "f":
			return returned{}, &fault{words: "the value of " + c.name + " is no boolean"}
		case c.name == "pinCredUserCantChange":
			next.CantChange = value
		case c.name == "pinCredUserMustChange":
			next.MustChange = value
		case c.name == "pinResetHackCount" && value:
			next.forgive()
		default:
			return returned{}, &fault{words: "this server does not write " + c.name}
		}
	}
	if digits, ok := q.args.get("pin"); ok {
		code, err := pin.Parse(digits)
		if err != nil {
			return returned{}, &fault{code: -1, words: "the PIN must be numeric"}
		}
		if f := s.admit(p, code); f != nil {
			return returned{}, f
		}
		s.renew(&next, code)
	}
	if s.orders.Asked(OpUpdate, trouble.Ignored).Kind == trouble.None {
		*p = next
	}
	return text("%s", p.uuid), nil
}

// renew puts a PIN in force, later where that is ordered.
func (s *Server) renew(p *person, code pin.PIN) {
	p.code.Set(code, s.orders.Lateness(OpUpdate))
	p.Changed = time.Now()
	p.history = append(slices.Clone(p.history), code)
	p.MustChange = p.MustChange || s.SetsMustChange
}

func (s *Server) getCredentialPolicy(q request) (returned, *fault) {
	if f := q.args.ordered([]string{"name", "uuid", "returnedTags"}); f != nil {
		return returned{}, f
	}
	name, _ := q.args.get("name")
	p, ok := s.policies[name]
	if !ok {
		return returned{}, &fault{code: 5007, words: "Item not valid: The specified CredentialPolicy was not found"}
	}
	minutes := func(d time.Duration) string { return fmt.Sprint(int(d / time.Minute)) }
	var back returned
	for _, f := range []struct{ name, value string }{
		{"name", name}, {"failedLogon", fmt.Sprint(p.FailedLogon)}, {"resetFailedLogonAttempts", minutes(p.Reset)},
		{"lockoutDuration", minutes(p.Lockout)}, {"credChangeDuration", minutes(p.MinAge)},
		{"credExpiresAfter", fmt.Sprint(p.ExpiresDays)}, {"minCredLength", fmt.Sprint(p.MinLength)},
		{"prevCredStoredNum", fmt.Sprint(p.History)}, {"inactiveDaysAllowed", "0"}, {"expiryWarningDays", "0"},
		{"trivialCredCheck", fmt.Sprint(p.Trivial)}, {"minCharsToChange", fmt.Sprint(p.CharsToChange)},
	} {
		back.add(f.name, "%s", f.value)
	}
	return returned{in: []field{{"credentialPolicy", back}}}, nil
}

func (s *Server) getCredentialPolicyDefault(q request) (returned, *fault) {
	if f := q.args.ordered([]string{"credentialUser", "credentialType", "returnedTags"}); f != nil {
		return returned{}, f
	}
	who, _ := q.args.get("credentialUser")
	what, _ := q.args.get("credentialType")
	if who != "End User" || what != "PIN" {
		return returned{}, &fault{words: "the schema does not list that kind of user or credential"}
	}
	var back returned
	back.add("credentialUser", "%s", who)
	back.add("credentialType", "%s", what)
	back.add("credPolicyName", "%s", DefaultPolicy)
	return returned{in: []field{{"credentialPolicyDefault", back}}}, nil
}

func (s *Server) getCCMVersion(request) (returned, *fault) {
	var version returned
	version.add("version", "%s", s.Release)
	return returned{in: []field{{"componentVersion", version}}}, nil
}
