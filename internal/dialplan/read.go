package dialplan

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"star97/dialplans"
	"star97/internal/strictyaml"
)

// embedded is read once: reading takes longer than all that commands do besides.
var embedded = sync.OnceValues(func() (*Plan, []strictyaml.Problem) {
	layouts, problems := shipped()
	if len(problems) > 0 {
		return nil, problems
	}
	return read(&Plan{Layouts: layouts}, "default.yaml", dialplans.Default)
})

// shipped reads the embedded layouts: each file is one, under the file's name.
func shipped() (map[string]Layout, []strictyaml.Problem) {
	layouts := map[string]Layout{}
	files, err := dialplans.Layouts.ReadDir("layouts")
	if err != nil {
		return nil, []strictyaml.Problem{{File: "layouts", Text: err.Error()}}
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".yaml")
		data, err := dialplans.Layouts.ReadFile("layouts/" + f.Name())
		if err != nil {
			return nil, []strictyaml.Problem{{File: f.Name(), Text: err.Error()}}
		}
		var problems []strictyaml.Problem
		if layouts[name], problems = readLayout(f.Name(), data); len(problems) > 0 {
			return nil, problems
		}
	}
	return layouts, nil
}

// readLayout reads a file that is one layout.
func readLayout(name string, data []byte) (Layout, []strictyaml.Problem) {
	var l Layout
	file, problem := strictyaml.Decode(name, data, &l)
	if problem != nil {
		return l, []strictyaml.Problem{*problem}
	}
	c := &checker{file: file}
	(&gardener{c, "$", l, nil}).check()
	return l, c.problems
}

// Parse reads a plan; what the file leaves out is as in the embedded one. The plan
// is nil if there is any problem.
func Parse(name string, data []byte) (*Plan, []strictyaml.Problem) {
	return read(Default(), name, data)
}

// read lays a file over a plan. A list in the file replaces the plan's; layouts are
// added, or take the place of one of the same name.
func read(p *Plan, name string, data []byte) (*Plan, []strictyaml.Problem) {
	if len(data) > maxFileBytes {
		return nil, []strictyaml.Problem{{File: name, Text: fmt.Sprintf("The dialplan is larger than %d bytes.", maxFileBytes), Remedy: "Use patterns with x instead of one line for each number."}}
	}
	if problem := comment(name, data); problem != nil {
		return nil, []strictyaml.Problem{*problem}
	}
	known := p.Layouts
	p.Layouts = nil
	file, problems := strictyaml.DecodeAll(name, data, p)
	if file == nil {
		return nil, problems
	}
	written := p.Layouts
	p.Layouts = maps.Clone(known)
	maps.Copy(p.Layouts, written)
	p.tidy()
	problems = append(problems, strictyaml.Sound(p.check(file, written))...)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b strictyaml.Problem) int { return a.Line - b.Line })
		return nil, problems
	}
	return p, nil
}

// hashLine is the key # of a menu without quotation marks, which makes it a comment.
var hashLine = regexp.MustCompile(`(?m)^[ \t]+#:[ \t]+(?:` + strings.Join(actionWords[1:], "|") + `)\b`)

// hashNumber is a number that begins with # without quotation marks.
var hashNumber = regexp.MustCompile(`(?m)^[^#"'\n]*\b(?:number|identity|mailbox):[ \t]+(#[0-9*#x]+)`)

// comment tells of a key that nobody would miss before a caller presses it, and of a
// number that YAML takes for a comment.
func comment(name string, data []byte) *strictyaml.Problem {
	at, remedy := hashLine.FindIndex(data), `Write "#" for the key.`
	if at == nil {
		found := hashNumber.FindSubmatchIndex(data)
		if found == nil {
			return nil
		}
		at, remedy = found, fmt.Sprintf("Write %q for the number.", data[found[2]:found[3]])
	}
	line := 1 + bytes.Count(data[:at[1]], []byte("\n"))
	return &strictyaml.Problem{File: name, Line: line, Text: "A # without quotation marks begins a comment.", Remedy: remedy}
}

// tidy brings numbers, names and hosts into the form in which they are compared.
func (p *Plan) tidy() {
	number := func(s *string) { *s = compact(lower(*s), digits+"*#+x") }
	for i := range p.Routes {
		number(&p.Routes[i].Number)
		p.Routes[i].Domain = lower(p.Routes[i].Domain)
	}
	for i := range p.Identities {
		number(&p.Identities[i].Identity)
		number(&p.Identities[i].Mailbox)
	}
	for i, d := range p.Domains {
		p.Domains[i].Name = lower(d.Name)
		for j, h := range d.Hosts {
			d.Hosts[j] = hostOf(h)
		}
	}
}
