package fake

import (
	"io"
	"strings"
	"time"
)

// router is the command line of the router in front. Its words and those of the module's
// sign-in are invented; that Username: and Password: are asked is known from programs of
// others.
func (d *talk) router() {
	name := d.set().Router
	if d.send([]byte(name+"#"), true) != nil {
		return
	}
	for {
		line, err := d.read(d.echo)
		if err != nil {
			return
		}
		d.note(line)
		answer := "% Invalid input detected at '^' marker.\r\n"
		switch strings.TrimSpace(line) {
		case Via:
			if answer, err = d.session(); err != nil {
				return
			}
		case "", "terminal length 0":
			answer = ""
		case "exit":
			return
		}
		if d.send([]byte(answer+name+"#"), true) != nil {
			return
		}
	}
}

// session is that of the module, from Open to exit. It returns what the router says at
// its end.
func (d *talk) session() (string, error) {
	d.mu.Lock()
	taken := d.line.taken
	d.line.taken = true
	d.mu.Unlock()
	if taken {
		return "Trying 10.1.10.1, 2066 ...\r\n% Connection refused by remote host\r\n", nil
	}
	defer func() {
		d.mu.Lock()
		d.line.taken = false
		d.mu.Unlock()
	}()
	if _, err := io.WriteString(d.wire, "Trying 10.1.10.1, 2066 ... Open\r\n"); err != nil {
		return "", err
	}
	select {
	case <-time.After(d.set().Wakes):
	case <-d.ctx.Done():
		return "", errOver
	}
	if _, err := d.read(hidden); err != nil { // the line waits for a key
		return "", err
	}
	const closed = "[Connection to 10.1.10.1 closed by foreign host]\r\n"
	if ok, err := d.signIn(); err != nil || !ok {
		return closed, err
	}
	if err := d.welcome(); err != nil {
		return "", err
	}
	err := error(nil)
	for err == nil {
		err = d.command()
	}
	d.mu.Lock()
	d.line.signedIn = !strings.HasPrefix(d.commands[len(d.commands)-1], "exit")
	d.mu.Unlock()
	if err != errOver || d.set().Router == "" {
		return "", err
	}
	return closed, nil
}

func (d *talk) signIn() (bool, error) {
	d.mu.Lock()
	still := d.line.signedIn || d.settings.Left
	d.config, d.settings.Left = d.settings.Left, false
	d.mu.Unlock()
	if still {
		return true, nil
	}
	for range 3 {
		var said [2]string
		for i, ask := range []string{"Username: ", "Password: "} {
			if _, err := io.WriteString(d.wire, ask); err != nil {
				return false, err
			}
			show := d.echo
			if i == 1 {
				show = hidden
			}
			var err error
			if said[i], err = d.read(show); err != nil {
				return false, err
			}
		}
		if said == [2]string{ModuleUser, ModulePassword} {
			return true, nil
		}
		if _, err := io.WriteString(d.wire, "% Login invalid\r\n\r\n"); err != nil {
			return false, err
		}
	}
	return false, nil
}
