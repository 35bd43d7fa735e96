package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// brokenSite is a stocked data folder with a configuration, both of which a test breaks, and
// which belong to a user who is not root.
type brokenSite struct {
	folder
	yaml string
}

// unprivileged is the user of what is to be refused by the modes of files.
const unprivileged = 65534

// as runs the program as the owner of the site: root is above the modes of files.
func (s brokenSite) as(command string) (said string, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), program(s.t, false), command, "--config", filepath.Join(s.path, "star97.yaml"), "--data", s.data(""))
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, s.path
	_ = cmd.Run() // its exit code counts
	return out.String(), cmd.ProcessState.ExitCode()
}

// handOver gives everything to the user who is not root.
func (s brokenSite) handOver() {
	require.NoError(s.t, os.Chmod(buildFolder(), 0o755))
	require.NoError(s.t, os.Chmod(filepath.Dir(s.path), 0o755))
	if os.Getuid() != 0 {
		return
	}
	require.NoError(s.t, filepath.Walk(s.path, func(name string, _ os.FileInfo, err error) error {
		require.NoError(s.t, err)
		return os.Lchown(name, unprivileged, unprivileged)
	}))
}

func (s brokenSite) chmod(name string, mode os.FileMode) {
	require.NoError(s.t, os.Chmod(filepath.Join(s.path, name), mode))
	s.t.Cleanup(func() { os.Chmod(filepath.Join(s.path, name), 0o700) })
}

// roots makes a file root's, who runs commands by mistake.
func (s brokenSite) roots(name string) {
	if os.Getuid() != 0 {
		s.t.Skip("only root makes files of root")
	}
	require.NoError(s.t, os.Chown(filepath.Join(s.path, name), 0, 0))
}

// Whatever of a site is broken, check tells it as serve would, in the same sentence, and
// alters nothing.
func TestCheckRefusesWhatServeRefuses(t *testing.T) {
	t.Parallel()
	const (
		digest = "sip: {listen: [{network: udp, address: \"127.0.0.1:0\"}], peers: [{name: edge, addresses: [0.0.0.0/0], identity: digest}], digest: {realm: r, users_file: users}}\n"
		plain  = "sip: {listen: [{network: udp, address: \"127.0.0.1:0\"}]}\n"
		second = plain + "stores: {north: {}}\n"
		system = plain + "store: {driver: webhook, webhook: {api: {url: \"http://127.0.0.1:1/\"}, keys: [{id: one, secret: {file: key}}]}}\n"
	)
	spoil := func(name, text string) func(brokenSite) {
		return func(s brokenSite) {
			require.NoError(s.t, os.WriteFile(filepath.Join(s.path, name), []byte(text), 0o600))
		}
	}
	mode := func(name string, mode os.FileMode) func(brokenSite) {
		return func(s brokenSite) { s.chmod(name, mode) }
	}
	for name, row := range map[string]struct {
		yaml  string
		spoil func(brokenSite)
		told  string
	}{
		"nothing":                         {plain, nil, ""},
		"a pepper that others read":       {plain, mode("data/pepper", 0o640), "can be read or written by other users (mode 0640): run `chmod 600 "},
		"a pepper of root":                {plain, func(s brokenSite) { s.roots("data/pepper") }, "permission denied: give it to the user that star97 runs as, with chown"},
		"a pepper cut short":              {plain, spoil("data/pepper", "k 00"), "data/pepper:1: this is no pepper key"},
		"a lost pepper":                   {plain, func(s brokenSite) { require.NoError(s.t, os.Remove(s.data("pepper"))) }, "holds codes, but their pepper file"},
		"another pepper":                  {plain, spoil("data/pepper", "k "+strings.Repeat("ab", 32)+"\n"), "which the pepper file"},
		"a pepper where none can be made": {second + "store: {sqlite: {pepper_file: /proc/none/pepper}}\n", func(s brokenSite) { require.NoError(s.t, os.RemoveAll(s.data("star97.db"))) }, "the pepper file /proc/none/pepper cannot be made"},
		"a pepper in an open folder":      {plain + "store: {sqlite: {pepper_file: ../open/pepper}}\n", movePepper, "other users can write to the folder"},
		"a folder for everybody":          {plain, mode("data", 0o777), "other users can write to the folder"},
		"a folder that cannot be written": {plain, mode("data", 0o500), "let star97's user write to the file and to its folder"},
		"a folder that cannot be made":    {plain, func(s brokenSite) { s.move("data", "away"); s.chmod(".", 0o500) }, "cannot be made: mkdir "},
		"a folder that is a file":         {plain, func(s brokenSite) { s.move("data", "away"); spoil("data", "")(s); s.handOver() }, "not a directory; choose another one with --data"},
		"a database of root":              {plain, func(s brokenSite) { s.roots("data/star97.db") }, "let star97's user write to the file"},
		"a database that is none":         {plain, spoil("data/star97.db", strings.Repeat("This is a text. ", 512)), "is damaged or is no SQLite file"},
		"a database of a newer program":   {plain, func(s brokenSite) { newer(s.t, s.data("star97.db"), "mailbox") }, "was made by a newer star97"},
		"an audit trail of a newer one":   {plain, func(s brokenSite) { newer(s.t, s.data("star97.db"), "ledger") }, "was made by a newer star97 (ledger tables"},
		"a second database that is none":  {second, func(s brokenSite) { spoil("data/north.db", strings.Repeat("This is a text. ", 512))(s); s.handOver() }, "store north: sqlite: the database"},
		"two stores in one file":          {second, func(s brokenSite) { require.NoError(s.t, os.Link(s.data("star97.db"), s.data("north.db"))) }, "is the file of another store already"},
		"a ledger of root": {system, func(s brokenSite) {
			spoil("key", strings.Repeat("k", 32))(s)
			spoil("data/ledger.db", "")(s)
			s.handOver()
			s.roots("data/ledger.db")
		}, "ledger.db cannot be opened for writing"},
		"a lock of root":         {plain, func(s brokenSite) { spoil("data/serving.lock", "")(s); s.roots("data/serving.lock") }, "cannot be used: open "},
		"users that others read": {digest, func(s brokenSite) { spoil("users", "")(s); s.handOver(); s.chmod("users", 0o644) }, "Other users can read or write it (mode 0644)"},
		"users of root":          {digest, func(s brokenSite) { spoil("users", "")(s); s.roots("users") }, "It cannot be opened: permission denied. Give it to the user that star97 runs as"},
		"users that are none":    {digest, func(s brokenSite) { spoil("users", "4001\n")(s); s.handOver() }, "users:1: This is no user:realm:algorithm:hash."},
		"a folder in the place of users": {digest, func(s brokenSite) {
			require.NoError(s.t, os.Mkdir(filepath.Join(s.path, "users"), 0o700))
			s.handOver()
		}, "This is no file."},
		"a voicemail system's missing key": {system, func(brokenSite) {}, "the secret's file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := brokenSite{stocked(t), row.yaml}
			s.write("star97.yaml", row.yaml+"http: {listen: \"\"}\n")
			s.handOver()
			if row.spoil == nil {
				said, code := s.as("check")
				require.Zero(t, code, said)
				return
			}
			row.spoil(s)
			before := s.state()
			said, code := s.as("check")
			require.Equal(t, 1, code, said)
			require.Contains(t, said, row.told)
			require.Equal(t, before, s.state(), "check alters nothing")
			refused, code := s.as("serve")
			require.Equal(t, 1, code, refused)
			require.Contains(t, refused, row.told)
			last := strings.TrimSpace(refused[strings.LastIndex(strings.TrimSpace(refused), "\n")+1:])
			require.Contains(t, said, strings.TrimPrefix(strings.TrimPrefix(last, "star97: "), "webhook: "))
		})
	}
}

func (s brokenSite) move(from, to string) {
	require.NoError(s.t, os.Rename(filepath.Join(s.path, from), filepath.Join(s.path, to)))
}

// movePepper puts the pepper into a folder that everybody can write to.
func movePepper(s brokenSite) {
	open := filepath.Join(s.path, "open")
	require.NoError(s.t, os.Mkdir(open, 0o777))
	require.NoError(s.t, os.Chmod(open, 0o777))
	s.move("data/pepper", "open/pepper")
	s.handOver()
}

// newer has a program of tomorrow bring a room's tables up to date.
func newer(t *testing.T, file, room string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(fmt.Sprintf("INSERT INTO goose_%s (version_id, is_applied) VALUES (9999, 1)", room))
	require.NoError(t, err)
}

// state is what stands in the site's folders.
func (s brokenSite) state() (all []string) {
	require.NoError(s.t, filepath.Walk(s.path, func(name string, info os.FileInfo, err error) error {
		if err == nil && !strings.HasSuffix(name, "-shm") && !strings.HasSuffix(name, "-wal") {
			all = append(all, fmt.Sprint(name, info.Mode(), info.Size()))
		}
		return nil
	}))
	return all
}
