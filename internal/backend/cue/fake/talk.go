package fake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"star97/internal/backend/conformance/trouble"
)

// talk is one dialogue, from the banner to its end.
type talk struct {
	*Server
	ctx    context.Context
	wire   io.Writer
	keys   *bufio.Reader
	plain  bool // not privileged
	config bool // in configuration mode
	length int  // lines of a page; 0: no pages
	last   byte // key before
}

var errOver = errors.New("over")

// talk serves a command line on c until it ends.
func (f *Server) talk(ctx context.Context, c io.ReadWriter) {
	s := f.set()
	d := &talk{Server: f, ctx: ctx, wire: c, keys: bufio.NewReader(c), plain: s.Enable != "", length: s.Page}
	f.mu.Lock()
	f.shells[c] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.shells, c)
		f.mu.Unlock()
	}()
	if s.Router != "" {
		d.router()
		return
	}
	if d.welcome() == nil {
		for d.command() == nil {
		}
	}
}

// welcome shows banner and prompt.
func (d *talk) welcome() error {
	answer, keep := d.orders.Take(OpLogin).Reply(d.ctx, func() []byte {
		d.mu.Lock()
		d.logins++
		d.mu.Unlock()
		return []byte(crlf(d.set().Banner) + d.prompt())
	})
	return d.send(answer, keep)
}

func (d *talk) send(answer []byte, keep bool) error {
	if err := d.page(answer); err != nil {
		return err
	}
	if !keep {
		return errOver
	}
	return nil
}

// page writes an answer, a page at a time.
func (d *talk) page(answer []byte) error {
	lines := slices.Collect(func(yield func(string) bool) {
		for l := range strings.Lines(string(answer)) {
			if !yield(l) {
				return
			}
		}
	})
	for n := d.length; n > 0 && len(lines) > n+1; lines = lines[n:] {
		if _, err := io.WriteString(d.wire, strings.Join(lines[:n], "")+"--More--"); err != nil {
			return err
		}
		key, err := d.keys.ReadByte()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(d.wire, d.set().Erase); err != nil {
			return err
		}
		if key == 'q' {
			lines = lines[len(lines)-1-n:]
		}
	}
	_, err := io.WriteString(d.wire, strings.Join(lines, ""))
	return err
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func (d *talk) prompt() string {
	switch {
	case d.plain:
		return d.set().Host + ">"
	case d.config:
		return d.set().Host + "(config)#"
	}
	return d.set().Host + "#"
}

// read reads a line and echoes it as it comes, but for what show leaves out.
func (d *talk) read(show func(sofar string, key byte) string) (string, error) {
	var line []byte
	for {
		key, err := d.keys.ReadByte()
		if err != nil {
			return "", err
		}
		before := d.last
		d.last = key
		switch key {
		case '\n':
			if before == '\r' {
				continue
			}
			fallthrough
		case '\r':
			_, err := io.WriteString(d.wire, "\r\n")
			return string(line), err
		}
		if len(line) > 1000 {
			return "", errOver
		}
		if _, err := io.WriteString(d.wire, show(string(line), key)); err != nil {
			return "", err
		}
		line = append(line, key)
	}
}

func hidden(string, byte) string { return "" }

// echo shows a key of a command.
func (d *talk) echo(sofar string, key byte) string {
	s := d.set()
	switch {
	case s.Silent:
		return ""
	case s.Stars && strings.HasPrefix(sofar, "username ") && strings.Contains(sofar, " pin "):
		return "*"
	}
	return string(key)
}

// command reads a command and carries it out.
func (d *talk) command() error {
	line, err := d.read(d.echo)
	if err != nil {
		return err
	}
	op := opOf(line)
	d.note(line)
	// A session ends while it waits, so it is the first command after that which meets it.
	for _, due := range []string{op, OpPIN} {
		if d.orders.Asked(due, trouble.Expired).Kind == trouble.Expired {
			return errOver
		}
	}
	switch strings.TrimSpace(line) {
	case "exit":
		if !d.config {
			return errOver
		}
		d.config = false
	case "enable":
		return d.enable()
	}
	answer, keep := d.orders.Take(op).Reply(d.ctx, func() []byte { return []byte(crlf(d.do(line)) + d.prompt()) })
	return d.send(answer, keep)
}

// note keeps a command without its code.
func (d *talk) note(line string) {
	if i := strings.Index(line, " pin "); i >= 0 {
		line = line[:i] + " pin"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commands = append(d.commands, line)
}

func (d *talk) enable() error {
	if want := d.set().Enable; d.plain && want != "-" {
		if _, err := io.WriteString(d.wire, "Password: "); err != nil {
			return err
		}
		said, err := d.read(hidden)
		if err != nil {
			return err
		}
		if said != want {
			return d.send([]byte("% Access denied\r\n"+d.prompt()), true) // invented
		}
	}
	d.plain = false
	return d.send([]byte(d.prompt()), true)
}

func opOf(line string) string {
	switch {
	case line == "show users":
		return OpUsers
	case strings.HasPrefix(line, "show user detail username "):
		return OpDetail
	case strings.HasPrefix(line, "username ") && strings.Contains(line, " pin "):
		return OpPIN
	case line == "show version":
		return OpVersion
	}
	return OpOther
}

// do carries a command out and returns what it prints. The caller does not hold mu.
func (d *talk) do(line string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	words := strings.Fields(line)
	switch op := opOf(line); {
	case len(words) == 0:
		return ""
	case line == "terminal length 0" && !d.settings.NoZero:
		d.length = 0
		return ""
	case op == OpVersion:
		return "Unity Express version (8.6.1)\nCPU Model: invented\n" // invented
	case line == "end":
		d.config = false
		return ""
	case d.plain, d.config:
		return "% Invalid input detected\n" // invented
	case op == OpUsers:
		return d.list()
	case op == OpDetail && len(words) == 5:
		return d.detail(words[4])
	case op == OpPIN && len(words) == 4 && words[2] == "pin":
		return d.pin(words[1], words[3])
	}
	return "% Invalid input detected at '^' marker\n" // invented
}

func (f *Server) list() string {
	var ids []string
	for id := range f.users {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return ""
	}
	return strings.Join(ids, "\n") + "\n"
}

func (f *Server) detail(id string) string {
	r := f.users[id]
	if r == nil {
		return "Subscriber " + id + " is not in the database\n" // invented
	}
	first, last, _ := strings.Cut(r.name, " ")
	language := r.language
	if language == "" {
		language = "system default" // invented
	}
	return fmt.Sprintf("Full Name: %s\nFirst Name: %s\nLast Name: %s\nNickname: %s\nPhone: %s\nPhone(E.164): %s\nLanguage: %s\n",
		r.name, first, last, id, r.phone, r.number, language)
}

// pin sets a code. Nothing but the prompt says that it was done. The words of its
// refusals are invented, and that some quote the code is to see it cut out.
func (f *Server) pin(id, code string) string {
	r := f.users[id]
	switch {
	case r == nil:
		return "Subscriber " + id + " does not exist\n"
	case strings.Trim(code, "0123456789") != "":
		return "PIN " + code + " must be numeric\n"
	case len(code) < f.settings.MinLength:
		return fmt.Sprintf("Error: PIN length is below the minimum of %d\n", f.settings.MinLength)
	case len(code) > 16:
		return "PIN is too long\n"
	case f.settings.Trivial && tripled(code):
		return "PIN " + code + " is trivial:\nmore than two of a kind in a row\n"
	case slices.Contains(r.kept, code):
		return "PIN was used before, see PIN history\n"
	}
	r.kept = append(r.kept, code)
	if len(r.kept) > 1 {
		r.kept = r.kept[len(r.kept)-1:] // history depth 1
	}
	return ""
}

func tripled(code string) bool {
	for i := 2; i < len(code); i++ {
		if code[i] == code[i-1] && code[i] == code[i-2] {
			return true
		}
	}
	return false
}
