package digest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// usersHead opens the file: whoever finds it shall know what it is.
const usersHead = `# star97 SIP users: user:realm:algorithm:hash. Whoever reads a hash can call as its user,
# so keep this file secret. star97 sip-user writes it.
`

// usersMax bounds the file, in bytes: some fifty thousand users.
const usersMax = 8 << 20

// users are those of one realm. They are never altered.
type users struct {
	hashes map[login]secret.Secret
	info   os.FileInfo // of the file; nil: there is none
}

type login struct {
	name string
	by   Algorithm
}

func (u *users) ha1(name string, by Algorithm) (secret.Secret, bool) {
	s, ok := u.hashes[login{name, by}]
	return s, ok
}

func (u *users) knows(name string) bool {
	return slices.ContainsFunc([]Algorithm{SHA256, MD5}, func(a Algorithm) bool { _, ok := u.ha1(name, a); return ok })
}

// Entry is a line of the file.
type Entry struct {
	User, Realm string
	Algorithm   Algorithm
	hash        secret.Secret
	line        int
}

// parseUsers reads lines; name is the file's, for people. Empty ones and those that begin
// with # say nothing. The error joins a problem for each line that is wrong.
func parseUsers(name string, text []byte) (all []Entry, err error) {
	var problems []error
	first := map[string]int{} // line of user, realm and algorithm
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		bad := func(text, remedy string) {
			problems = append(problems, strictyaml.Problem{File: name, Line: n, Text: text, Remedy: remedy})
		}
		parts := strings.Split(line, ":")
		if len(parts) != 4 {
			bad("This is no user:realm:algorithm:hash.", "Remove the line, and add the user with star97 sip-user add.")
			continue
		}
		e := Entry{User: parts[0], Realm: parts[1], hash: secret.Of(strings.ToLower(parts[3])), line: n}
		var known bool
		e.Algorithm, known = ParseAlgorithm(parts[2])
		key := strings.ToLower(strings.Join(parts[1:3], ":")) + ":" + parts[0]
		switch {
		case !isUser(e.User) || !isName(e.Realm):
			bad("The user or the realm is no name.", fmt.Sprintf("Use 1 to %d printable characters without quotes, backslashes and colons, for a user without %% and ; as well.", nameMax))
		case !known:
			bad(fmt.Sprintf("The algorithm of the user %s is not SHA-256 and not MD5.", e.User), "Add the user anew with star97 sip-user add.")
		case !isHash(e.hash.Reveal(), e.Algorithm.hexLen()):
			bad(fmt.Sprintf("The hash of the user %s is not %d hexadecimal digits.", e.User, e.Algorithm.hexLen()), "Add the user anew with star97 sip-user add.")
		case first[key] != 0:
			bad(fmt.Sprintf("The user %s stands in line %d already.", e.User, first[key]), "Remove one of the two lines.")
		default:
			first[key] = n
			all = append(all, e)
		}
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, strictyaml.Problem{File: name, Text: "The file cannot be read line by line: " + err.Error() + ".", Remedy: "Restore it."})
	}
	return all, errors.Join(problems...)
}

func isHash(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// readUsers reads the file. It is fs.ErrNotExist if there is none.
func readUsers(name string) (all []Entry, text []byte, info os.FileInfo, err error) {
	bad := func(text, remedy string) error {
		return strictyaml.Problem{File: name, Text: text, Remedy: remedy}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, nil, bad("It cannot be opened: permission denied.", "Give it to the user that star97 runs as, with chown.")
	}
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, nil, info, bad("This is no file.", "Name the file of the SIP users.")
	case info.Mode().Perm()&0o077 != 0:
		return nil, nil, info, bad(fmt.Sprintf("Other users can read or write it (mode %04o), and whoever reads it can call as anybody in it.", info.Mode().Perm()),
			"Run chmod 600 on it, and give its users new passwords if somebody may have read it.")
	case info.Size() > usersMax:
		return nil, nil, info, bad(fmt.Sprintf("It is larger than %d bytes.", usersMax), "Check the name.")
	}
	if text, err = io.ReadAll(io.LimitReader(f, usersMax)); err != nil {
		return nil, nil, info, bad("It cannot be read: "+err.Error()+".", "Check its disk.")
	}
	all, err = parseUsers(name, text)
	return all, text, info, err
}

// loadUsers are the users of a realm; without a file there are none.
func loadUsers(name, realm string) (*users, error) {
	u := &users{hashes: map[login]secret.Secret{}}
	all, text, info, err := readUsers(name)
	defer clear(text)
	if u.info = info; errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	for _, e := range all {
		if e.Realm == realm {
			u.hashes[login{e.User, e.Algorithm}] = e.hash
		}
	}
	return u, err
}

// Book is the file of a running service.
type Book struct {
	name, realm string
	users       atomic.Pointer[users]

	mu     sync.Mutex
	looked time.Time
	tried  os.FileInfo // a changed file that cannot be used
}

// lookAgain is how old the knowledge of the file may be.
const lookAgain = time.Second

// OpenBook reads the users of a realm.
func OpenBook(name, realm string, now time.Time) (*Book, error) {
	u, err := loadUsers(name, realm)
	if err != nil {
		return nil, err
	}
	b := &Book{name: name, realm: realm, looked: now}
	b.users.Store(u)
	return b, nil
}

// refresh reads the file again if it has changed; one that cannot be used is told once,
// one that is gone leaves its users in force.
func (b *Book) refresh(now time.Time) (changed bool, err error) {
	if !b.mu.TryLock() {
		return false, nil // somebody does
	}
	defer b.mu.Unlock()
	if now.Sub(b.looked) < lookAgain {
		return false, nil
	}
	b.looked = now
	info, err := os.Stat(b.name)
	if err != nil || same(info, b.users.Load().info) || same(info, b.tried) {
		return false, nil
	}
	u, err := loadUsers(b.name, b.realm)
	if err != nil {
		b.tried = info
		return false, err
	}
	b.users.Store(u)
	b.tried = nil
	return true, nil
}

// same tells whether two looks met the same content.
func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}
