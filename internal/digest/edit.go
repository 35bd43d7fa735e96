package digest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"star97/internal/secret"
)

// Bounds of a password. A telephone keeps it, so it need not be short: it is what all
// the tries of all strangers are made against.
const (
	shortestPassword = 12
	longestPassword  = 128
)

// ErrKnown is that the user to be added is there; ErrUnknown that the one to be removed
// is not.
var (
	ErrKnown   = errors.New("there is a user of this name already")
	ErrUnknown = errors.New("there is no user of this name")
)

// Users lists what the file says, by user, realm and algorithm. A file that is not there
// has none.
func Users(o Options) ([]Entry, error) {
	all, text, _, err := readUsers(o.UsersFile)
	defer clear(text)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Realm, b.Realm), cmp.Compare(a.Algorithm, b.Algorithm))
	})
	return all, err
}

// Addable tells why Add would refuse, as far as can be told without altering anything.
func Addable(o Options, user string, password secret.Secret, replace bool) error {
	if err := check(user, password); err != nil {
		return err
	}
	switch there, err := Has(o, user); {
	case err != nil:
		return err
	case there && !replace:
		return ErrKnown
	case replace && !there: // a slip in the name is to make no new user
		return ErrUnknown
	}
	return writable(o.UsersFile)
}

// Removable is Addable for Remove.
func Removable(o Options, user string) error {
	switch there, err := Has(o, user); {
	case err != nil:
		return err
	case !there:
		return ErrUnknown
	}
	return writable(o.UsersFile)
}

// Has tells whether the file has a user of the realm.
func Has(o Options, user string) (bool, error) {
	all, err := Users(o)
	return slices.ContainsFunc(all, func(e Entry) bool { return e.User == user && e.Realm == o.Realm }), err
}

// check tells why nobody can be added as a user with a password; it opens no file.
func check(user string, password secret.Secret) error {
	if !isUser(user) {
		return fmt.Errorf("%q is no name of a user: use 1 to %d printable characters without quotes, backslashes, colons, %% and ;", user, nameMax)
	}
	return checkPassword(user, password.Reveal())
}

// writable tells why the file could not be made or replaced.
func writable(name string) error {
	if err := unix.Access(filepath.Dir(name), unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("the file of the SIP users cannot be written: %w; make its folder, or run this as a user who may write there",
			&fs.PathError{Op: "open", Path: name, Err: err})
	}
	return nil
}

// Add writes a user with a hash for each algorithm that is offered. replace says that the
// user is there and gets another password. One who is there is ErrKnown otherwise, and
// one who is not is ErrUnknown then. made tells that the file is new.
func Add(o Options, user string, password secret.Secret, replace bool) (made bool, err error) {
	if err := check(user, password); err != nil {
		return false, err
	}
	return edit(o.UsersFile, func(old []Entry, lines [][]byte) ([][]byte, error) {
		kept, there := without(old, lines, user, o.Realm)
		switch {
		case there && !replace:
			return nil, ErrKnown
		case !there && replace:
			return nil, ErrUnknown
		}
		for _, a := range o.Offered() {
			kept = append(kept, fmt.Appendf(nil, "%s:%s:%s:%s", user, o.Realm, a, a.HA1(user, o.Realm, password).Reveal()))
		}
		return kept, nil
	})
}

// Remove takes a user of the realm out.
func Remove(o Options, user string) error {
	if _, err := os.Stat(o.UsersFile); errors.Is(err, fs.ErrNotExist) {
		return ErrUnknown
	}
	_, err := edit(o.UsersFile, func(old []Entry, lines [][]byte) ([][]byte, error) {
		kept, there := without(old, lines, user, o.Realm)
		if !there {
			return nil, ErrUnknown
		}
		return kept, nil
	})
	return err
}

func checkPassword(user, password string) error {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the password holds characters that no telephone can be told: use printable ones")
	case n < shortestPassword || n > longestPassword:
		return fmt.Errorf("the password has %d characters: use %d to %d, or --generate", n, shortestPassword, longestPassword)
	case strings.Contains(strings.ToLower(password), strings.ToLower(user)) && len(user) > 2:
		return errors.New("the password holds the name of its user: choose another, or use --generate")
	}
	return nil
}

// without is the file without the lines of a user.
func without(old []Entry, lines [][]byte, user, realm string) (kept [][]byte, there bool) {
	kept = slices.Clone(lines)
	for _, e := range slices.Backward(old) {
		if e.User == user && e.Realm == realm {
			kept, there = slices.Delete(kept, e.line-1, e.line), true
		}
	}
	return kept, there
}

// edit replaces the file, complete or not at all, while nobody else does.
func edit(name string, change func([]Entry, [][]byte) ([][]byte, error)) (made bool, err error) {
	lock, made, err := lockUsers(name)
	if err != nil {
		return made, err
	}
	defer lock.Close()
	defer func() {
		if made && err != nil {
			os.Remove(name)
		}
	}()
	old, text, info, err := readUsers(name)
	defer clear(text)
	if err != nil {
		return made, err
	}
	if len(text) == 0 {
		text = []byte(usersHead)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if lines, err = change(old, lines); err != nil {
		return made, err
	}
	next := append(bytes.Join(lines, []byte("\n")), '\n')
	defer clear(next)
	return made, replaceFile(name, next, info)
}

// Still keeps the file of the users as it is while use runs: nobody is added or removed.
// use is told the text, which it shall not keep; nil: there is no file.
func Still(name string, use func(text []byte) error) error {
	lock, err := shareUsers(name)
	if errors.Is(err, fs.ErrNotExist) {
		return use(nil)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	_, text, _, err := readUsers(name)
	defer clear(text)
	if err != nil {
		return err
	}
	return use(text)
}

// shareUsers waits until nobody alters the file, and keeps everybody from it.
func shareUsers(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, fmt.Errorf("the file of the SIP users cannot be read: %w; run this as a user who may", err)
		}
		there, err := holds(f, name, syscall.LOCK_SH)
		if there {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// holds waits until f is locked, and tells whether it is still the file name.
func holds(f *os.File, name string, how int) (bool, error) {
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return false, fmt.Errorf("the file %s cannot be locked: %w; keep it on a local file system", name, err)
	}
	was, err := f.Stat()
	is, gone := os.Stat(name)
	return err == nil && gone == nil && os.SameFile(was, is), nil
}

// lockUsers opens the file, an empty new one if there is none, and waits until nobody
// else has it locked.
func lockUsers(name string) (f *os.File, made bool, err error) {
	for {
		_, err := os.Stat(name)
		made = made || errors.Is(err, fs.ErrNotExist)
		if f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600); err != nil {
			return nil, false, fmt.Errorf("the file of the SIP users cannot be written: %w; run this as a user who may", err)
		}
		there, err := holds(f, name, syscall.LOCK_EX)
		if there {
			return f, made, nil
		}
		f.Close() // another has replaced it meanwhile
		if err != nil {
			return nil, false, err
		}
	}
}

// replaceFile puts text into the place of a file, for the same owner.
func replaceFile(name string, text []byte, like os.FileInfo) error {
	if err := replace(name, text, like); err != nil {
		return fmt.Errorf("the file of the SIP users cannot be replaced: %w; let this user write to its folder, and free some space if it is full", err)
	}
	d, err := os.Open(filepath.Dir(name))
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("the file %s is replaced, but a power failure may undo that: %w; look for disk errors in the system log", name, err)
	}
	return nil
}

// replace leaves the file as it is after an error.
func replace(name string, text []byte, like os.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if was, ok := like.Sys().(*syscall.Stat_t); ok && int(was.Uid) != os.Geteuid() {
		err = errors.Join(err, f.Chown(int(was.Uid), int(was.Gid)))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
