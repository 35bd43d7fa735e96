package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stocked is a data folder with one mailbox, made by the program itself.
func stocked(t *testing.T) folder {
	t.Helper()
	f := newFolder(t)
	_, errs, code := star97(t, oldCode+"\n", "mailbox", "add", "4001", "--data", filepath.Join(f.path, "data"))
	require.Zero(t, code, errs)
	return f
}

func (f folder) data(name string) string { return filepath.Join(f.path, "data", name) }

// spoiled spoils a stocked data folder, has the program refuse it, mends it, and shows
// that the mailbox is still there.
func spoiled(spoil func(t *testing.T, f folder) (mend func())) func(*testing.T) got {
	return func(t *testing.T) got {
		f := stocked(t)
		mend := spoil(t, f)
		config := f.write("star97.yaml", "store: {sqlite: {database: {busy_timeout: 100ms}}}\n")
		args := []string{"--config", config, "--data", filepath.Join(f.path, "data")}
		_, said, code := star97(t, "582907\n", append([]string{"mailbox", "add", "4002"}, args...)...)
		mend()
		out, errs, exit := star97(t, "", append([]string{"mailbox", "list"}, args...)...)
		require.Zero(t, exit, errs)
		require.Contains(t, out, "4001")
		require.NotContains(t, out, "4002")
		return got{f.shown(said), code, "mended, the mailbox is there as before"}
	}
}

// replaced puts other bytes in the place of a file until mended.
func replaced(name string, change func([]byte) []byte) func(*testing.T, folder) func() {
	return func(t *testing.T, f folder) func() {
		was, err := os.ReadFile(f.data(name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(f.data(name), change(bytes.Clone(was)), 0o600))
		return func() { require.NoError(t, os.WriteFile(f.data(name), was, 0o600)) }
	}
}

func badData() []bad {
	return []bad{
		{"a database that another program holds", spoiled(func(t *testing.T, f folder) func() {
			return lockDatabase(t, f.data(""))
		}), 1, []string{"the database data/star97.db is locked by another program", "end that program"}},
		{"a database with an overwritten page", spoiled(replaced("star97.db", func(b []byte) []byte {
			copy(b[4096:], bytes.Repeat([]byte("X"), 4096))
			return b
		})), 1, []string{"the database data/star97.db is damaged", "restore it from a backup"}},
		{"a database that is none", spoiled(replaced("star97.db", func(b []byte) []byte {
			return bytes.Repeat([]byte("This is a text. "), 512)
		})), 1, []string{"the database data/star97.db is damaged or is no SQLite file", "restore it"}},
		{"a pepper that others can read", spoiled(func(t *testing.T, f folder) func() {
			require.NoError(t, os.Chmod(f.data("pepper"), 0o640))
			return func() { require.NoError(t, os.Chmod(f.data("pepper"), 0o600)) }
		}), 1, []string{"the pepper file data/pepper can be read or written by other users", "run `chmod 600"}},
		{"a pepper that is gone", spoiled(func(t *testing.T, f folder) func() {
			require.NoError(t, os.Rename(f.data("pepper"), f.data("saved")))
			return func() { require.NoError(t, os.Rename(f.data("saved"), f.data("pepper"))) }
		}), 1, []string{"the database data/star97.db holds codes, but their pepper file data/pepper is missing", "restore it"}},
		{"a pepper cut short", spoiled(replaced("pepper", func(b []byte) []byte { return b[:len(b)-9] })), 1,
			[]string{"data/pepper:4: this is no pepper key", "restore it from a backup"}},
		{"another pepper", spoiled(replaced("pepper", func([]byte) []byte {
			return []byte("AAAAAAAA " + strings.Repeat("0f", 32) + "\n")
		})), 1, []string{"which the pepper file data/pepper lacks", "restore it"}},
		{"a data folder that everybody can write to", spoiled(opened(0o777)), 1,
			[]string{"other users can write to the folder data (mode 0777)", "exchange the databases and the pepper", "run `chmod 700 data`"}},
		{"a data folder that a group can write to", spoiled(func(t *testing.T, f folder) func() {
			if os.Chown(f.data(""), -1, os.Getuid()+1) != nil {
				t.Skip("only root gives a folder to another group")
			}
			return opened(0o770)(t, f)
		}), 1, []string{"other users can write to the folder data (mode 0770)", "run `chmod 700 data`"}},
		{"a data folder that cannot be written", readOnly, 1, []string{"data/star97.db cannot be opened for writing", "let star97's user write"}},
		{"a data folder that cannot be made", func(t *testing.T) got {
			f := newFolder(t)
			_, said, code := star97(t, "", "serve", "--data", f.write("file", "")+"/data")
			return got{f.shown(said), code, "nothing was started"}
		}, 1, []string{"the data folder file/data cannot be made", "choose another one with --data"}},
		{"a full disk", fullDisk, 1, []string{"the database data/star97.db cannot grow, the disk is full", "free some space"}},
		{"a second service on the same data", secondService, 1, []string{"another star97 serves from", "choose another folder with --data"}},
		{"a SIP port that is taken", takenSIPPort, 1, []string{"star97.yaml:3: cannot listen on udp 127.0.0.1:", "address already in use", "end the program that has it, or choose another in sip.listen"}},
		{"a SIP address of another machine", foreignAddress("drain: 1s\nsip:\n  listen: [{network: tcp, address: \"192.0.2.1:5060\"}]\nhttp: {listen: \"\"}\n"), 1,
			[]string{"star97.yaml:3: cannot listen on tcp 192.0.2.1:5060", "cannot assign requested address", "this machine does not have it", "write one of its own in sip.listen"}},
		{"an HTTP address of another machine", foreignAddress("drain: 1s\nhttp:\n  listen: \"192.0.2.1:8080\"\n  hosts: [voicemail.example.org]\n"), 1,
			[]string{"star97.yaml:3: cannot listen on http.listen 192.0.2.1:8080", "cannot assign requested address", "choose one that this machine has"}},
	}
}

// opened gives the data folder a mode until mended.
func opened(mode os.FileMode) func(*testing.T, folder) func() {
	return func(t *testing.T, f folder) func() {
		require.NoError(t, os.Chmod(f.data(""), mode))
		return func() { require.NoError(t, os.Chmod(f.data(""), 0o700)) }
	}
}

// readOnly takes the right to write from the folder, and from root being root.
func readOnly(t *testing.T) got {
	f := stocked(t)
	require.NoError(t, os.Chmod(buildFolder(), 0o755))
	for _, open := range []string{f.path, filepath.Dir(f.path)} {
		require.NoError(t, os.Chmod(open, 0o755))
	}
	name := program(t, false)
	cmd := exec.Command(name, "mailbox", "list", "--data", filepath.Join(f.path, "data"))
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		require.NoError(t, os.Chown(f.data("pepper"), nobody, nobody))
	}
	require.NoError(t, os.Chmod(f.data("star97.db"), 0o444))
	require.NoError(t, os.Chmod(f.data(""), 0o555))
	t.Cleanup(func() { os.Chmod(f.data(""), 0o700) })
	var said bytes.Buffer
	cmd.Stderr = &said
	_ = cmd.Run() // its exit code counts
	require.NoError(t, os.Chmod(f.data(""), 0o700))
	require.NoError(t, os.Chmod(f.data("star97.db"), 0o600))
	out, errs, exit := star97(t, "", "mailbox", "list", "--data", filepath.Join(f.path, "data"))
	require.Zero(t, exit, errs)
	require.Contains(t, out, "4001")
	return got{f.shown(said.String()), cmd.ProcessState.ExitCode(), "mended, the mailbox is there as before"}
}

// fullDisk adds mailboxes on a small file system until it is full.
func fullDisk(t *testing.T) got {
	f := newFolder(t)
	require.NoError(t, os.Mkdir(f.data(""), 0o700))
	if err := syscall.Mount("tmpfs", f.data(""), "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(f.data(""), syscall.MNT_DETACH) })
	_, errs, code := star97(t, oldCode+"\n", "mailbox", "add", "4001", "--data", f.data(""))
	require.Zero(t, code, errs)
	rest, err := os.Create(f.data("rest"))
	require.NoError(t, err)
	for err == nil {
		_, err = rest.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, said, code := star97(t, "582907\n", "mailbox", "add", "4002", "--data", f.data(""))
	require.NoError(t, rest.Close())
	require.NoError(t, os.Remove(f.data("rest")))
	out, errs, exit := star97(t, "", "mailbox", "list", "--data", f.data(""))
	require.Zero(t, exit, errs)
	require.Contains(t, out, "4001")
	require.NotContains(t, out, "4002")
	return got{f.shown(said), code, "with space again, the mailbox is there as before"}
}

func secondService(t *testing.T) got {
	v := startService(t, setup{})
	_, said, code := star97(t, "", "serve", "--config", v.Config, "--data", v.Data)
	requireAnswers(t, v)
	return got{folder{t, filepath.Dir(v.Data)}.shown(said), code, "the first one goes on answering"}
}

func takenSIPPort(t *testing.T) got {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	f := newFolder(t)
	config := f.write("star97.yaml", "drain: 1s\nsip:\n  listen: [{network: udp, address: \""+taken.LocalAddr().String()+"\"}]\nhttp: {listen: \"\"}\n")
	_, said, code := star97(t, "", "serve", "--config", config, "--data", f.data(""))
	said = strings.ReplaceAll(said, taken.LocalAddr().String(), "127.0.0.1:5060")
	return got{f.shown(said), code, "nothing was started"}
}

// foreignAddress is a configuration with an address that is kept for documentation (RFC
// 5737), so no machine has it.
func foreignAddress(yaml string) func(*testing.T) got {
	return func(t *testing.T) got {
		f := newFolder(t)
		_, said, code := star97(t, "", "serve", "--config", f.write("star97.yaml", yaml), "--data", f.data(""))
		lines := strings.Split(strings.TrimSpace(said), "\n") // behind what was logged
		return got{f.shown(lines[len(lines)-1]), code, "nothing was started"}
	}
}
