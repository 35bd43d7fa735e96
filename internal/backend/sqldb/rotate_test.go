package sqldb

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/sqlkit/sqlkittest"
)

// A service that runs takes the new key over; nobody is locked out meanwhile.
func TestARotationNeedsNoRestart(t *testing.T) {
	o := cheapOptions(t.TempDir())
	service, command := openStore(t, o), openStore(t, o)
	a := add(t, service, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
	b := add(t, service, mailbox.Account{Extension: "4002"}, codeOf(t, "482915"))
	old := service.ring.now.Load().last
	kid, err := command.RotatePepper(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, old, kid)
	info, err := os.Stat(o.pepperFile())
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	require.Equal(t, mailbox.Proved(), command.Reset(t.Context(), a, codeOf(t, "739164"), false, "test", ""))
	require.NoError(t, service.Verify(t.Context(), a, codeOf(t, "739164"), at), "a code under the new key, in a service that runs")
	status := func() (keys []PepperKey) {
		s, err := command.Pepper(t.Context())
		require.NoError(t, err)
		require.Equal(t, "the pepper file "+o.pepperFile(), s.Title)
		return s.Keys
	}
	require.Equal(t, []PepperKey{{ID: old, Codes: 1}, {ID: kid, Current: true, Codes: 1}}, status())
	service.Remember(1)
	made(t, service, b, "482915", "605172")
	require.Equal(t, []PepperKey{{ID: old, Former: 1}, {ID: kid, Current: true, Codes: 2}}, status())
	require.NoError(t, command.UsePepper(t.Context(), old))
	require.Equal(t, []PepperKey{{ID: kid, Codes: 2}, {ID: old, Current: true, Former: 1}}, status())
	require.ErrorContains(t, command.UsePepper(t.Context(), "none"), "has no key none; `star97 pepper status` shows its keys")
	refused(t, mailbox.InHistory, service.Change(t.Context(), b, codeOf(t, "605172"), codeOf(t, "482915"), at))
}

// Of rotations at once none loses another one's key, which a code may already need.
func TestRotationsAtOnceKeepEveryKey(t *testing.T) {
	o := cheapOptions(t.TempDir())
	stores := []*Store{openStore(t, o), openStore(t, o), openStore(t, o)}
	var mu sync.Mutex
	var all sync.WaitGroup
	ids := map[string]bool{stores[0].ring.now.Load().last: true}
	for i, s := range stores {
		all.Go(func() {
			for n := range 5 {
				kid, err := s.RotatePepper(context.Background())
				a, added := s.Add(context.Background(), mailbox.Account{Extension: fmt.Sprint(4000 + 10*i + n)}, codeOf(t, "482915"), "test")
				mu.Lock()
				ids[kid] = err == nil && added == nil && a.ID != ""
				mu.Unlock()
			}
		})
	}
	all.Wait()
	p, err := readPepper(o.pepperFile())
	require.NoError(t, err)
	require.Len(t, p.ids, 16)
	for _, kid := range p.ids {
		require.True(t, ids[kid], kid)
	}
	require.NoError(t, openStore(t, o).Close(), "every code has its key")
}

// Killed in mid-rotation: the file is the old one or the new one, and what was half made
// is swept away by the next rotation.
func TestAnInterruptedRotationLeavesTheOldKeys(t *testing.T) {
	o := cheapOptions(t.TempDir())
	s := openStore(t, o)
	a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
	p := s.ring.now.Load()
	next, _ := p.with(true)
	killed := fmt.Errorf("killed")
	require.ErrorIs(t, writePepper(o.pepperFile(), next, func(from, to string) error {
		copyFile(t, from, filepath.Join(filepath.Dir(to), ".pepper-left")) // a killed process removes nothing
		return killed
	}), killed)
	require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "482915"), at))
	is, err := readPepper(o.pepperFile())
	require.NoError(t, err)
	require.Equal(t, p.keys, is.keys)
	_, err = s.RotatePepper(t.Context())
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(filepath.Dir(o.pepperFile()), ".pepper*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A key that no code needs may be removed by hand, and the next rotation reaches a service
// that runs all the same.
func TestAKeyThatNobodyNeedsIsRemoved(t *testing.T) {
	o := cheapOptions(t.TempDir())
	service, command := openStore(t, o), openStore(t, o)
	old := service.ring.now.Load().last
	_, err := command.RotatePepper(t.Context())
	require.NoError(t, err)
	a := add(t, service, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
	text, err := os.ReadFile(o.pepperFile())
	require.NoError(t, err)
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(l string) bool { return strings.HasPrefix(l, old) })
	require.NoError(t, os.WriteFile(o.pepperFile(), []byte(strings.Join(lines, "")), 0o600))
	_, err = openStore(t, o).RotatePepper(t.Context())
	require.NoError(t, err)
	require.Equal(t, mailbox.Proved(), openStore(t, o).Reset(t.Context(), a, codeOf(t, "739164"), false, "test", ""))
	require.NoError(t, service.Verify(t.Context(), a, codeOf(t, "739164"), at))
	require.ErrorIs(t, service.Verify(t.Context(), mailbox.Account{}, codeOf(t, "739164"), at), mailbox.WrongPIN)
}

// What is put in the place of the pepper file while the service runs, and is of no use,
// locks nobody out.
func TestAServiceGoesOnWithThePepperItKnows(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"removed":  func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"readable": func(t *testing.T, path string) { require.NoError(t, os.Chmod(path, 0o644)) },
		"another one": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			_, err := makePepper(path)
			require.NoError(t, err)
		},
		"no pepper at all": func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("x"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			o := cheapOptions(t.TempDir())
			s := openStore(t, o)
			a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
			kept, err := os.ReadFile(o.pepperFile())
			require.NoError(t, err)
			spoil(t, o.pepperFile())
			for range 2 {
				require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "482915"), at))
			}
			made(t, s, a, "482915", "739164")
			_, err = open(t.Context(), o)
			require.Error(t, err, "a start tells of it")
			require.NoError(t, os.RemoveAll(o.pepperFile()))
			require.NoError(t, os.WriteFile(o.pepperFile(), kept, 0o600))
			require.NoError(t, openStore(t, o).Verify(t.Context(), a, codeOf(t, "739164"), at))
			_, err = s.RotatePepper(t.Context())
			require.NoError(t, err)
		})
	}
}

// Nodes have a file each: a new key is used when every node can know it.
func TestARotationOnSeveralNodes(t *testing.T) {
	one := nodeOptions(t, sqlkittest.Postgres(t))
	two := otherNode(t, one)
	first := openNode(t, one)
	copyFile(t, one.PepperFile, two.PepperFile)
	second := openNode(t, two)
	a := add(t, first, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
	old := first.ring.now.Load().last
	kid, err := first.RotatePepper(t.Context())
	require.NoError(t, err)
	status, err := first.Pepper(t.Context())
	require.NoError(t, err)
	require.True(t, status.Nodes)
	require.Equal(t, []PepperKey{{ID: kid}, {ID: old, Current: true, Codes: 1}}, status.Keys)
	require.Equal(t, mailbox.Proved(), first.Reset(t.Context(), a, codeOf(t, "739164"), false, "test", ""))
	require.NoError(t, second.Verify(t.Context(), a, codeOf(t, "739164"), at), "no node uses the new key yet")
	require.NoError(t, openNode(t, two).Close(), "a node without it can start")

	require.NoError(t, os.Remove(two.PepperFile))
	copyFile(t, one.PepperFile, two.PepperFile)
	require.NoError(t, first.UsePepper(t.Context(), kid))
	made(t, first, a, "739164", "605172")
	require.NoError(t, second.Verify(t.Context(), a, codeOf(t, "605172"), at))
	require.NoError(t, second.Verify(t.Context(), a, codeOf(t, "605172"), at), "it is not made anew to and fro")

	lagging := otherNode(t, one)
	require.NoError(t, os.WriteFile(lagging.PepperFile, fmt.Appendf(nil, "%s %x\n", old, first.ring.now.Load().keys[old]), 0o600))
	_, err = lagging.open(t.Context())
	require.ErrorContains(t, err, "pepper key "+kid+", which the pepper file "+lagging.PepperFile+" lacks: copy it from another node")
}

func TestAPepperFromElsewhere(t *testing.T) {
	key := "k1 " + strings.Repeat("ab", pepperSize) + "\n"
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(key), 0o600))
	t.Setenv("STAR97_TEST_PEPPER", key)
	for name, from := range map[string]PepperSource{"environment": {Env: "STAR97_TEST_PEPPER"}, "command": {Command: "cat " + file}} {
		t.Run(name, func(t *testing.T) {
			o := cheapOptions(t.TempDir())
			o.Pepper = from
			s := openStore(t, o)
			require.NoFileExists(t, o.pepperFile())
			a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
			require.NoError(t, openStore(t, o).Verify(t.Context(), a, codeOf(t, "482915"), at))
			_, err := s.RotatePepper(t.Context())
			require.ErrorContains(t, err, ": add one there, as a new last line")
		})
	}
	for says, from := range map[string]PepperSource{
		"environment variable STAR97_TEST_NONE, which is to hold the pepper, is empty or not set": {Env: "STAR97_TEST_NONE"},
		"the command /no/such/program, which is to print the pepper, failed":                      {Command: "/no/such/program"},
		"the command false, which is to print the pepper, failed":                                 {Command: "false x"},
		"the output of true holds no key":                                                         {Command: "true"},
		"echo:1: this is no pepper key":                                                           {Command: "echo k " + strings.Repeat("ab", 31)},
		"the command yes, which is to print the pepper, failed: it prints more than 65536 bytes":  {Command: "yes"},
	} {
		o := cheapOptions(t.TempDir())
		o.Pepper = from
		start := time.Now()
		_, err := open(t.Context(), o)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "abab")
		require.Less(t, time.Since(start), commandWithin)
	}
}

func TestAPepperSourceIsNamed(t *testing.T) {
	for says, from := range map[string]PepperSource{
		"pepper.env and command are both set: keep one":     {Env: "A", Command: "b"},
		"pepper.env is blank: name an environment variable": {Env: " "},
		"pepper.command is blank: name a program":           {Command: " \t "},
	} {
		o := cheapOptions(t.TempDir())
		o.Pepper, o.Cost = from, DefaultOptions().Cost
		require.ErrorContains(t, o.Validate(), says)
	}
}

// A command that does not end, or leaves a process that holds its output, holds no start up.
func TestACommandForThePepperIsBounded(t *testing.T) {
	script := filepath.Join(t.TempDir(), "print")
	require.NoError(t, os.WriteFile(script, []byte("sleep 60 &\nif [ $1 = ends ]; then exit 0; fi\nwait\n"), 0o600))
	for how, says := range map[string]string{"stays": "it took more than 500ms", "ends": "what it started still holds its output"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := output(t.Context(), []string{"sh", script, how}, 500*time.Millisecond)
			require.ErrorContains(t, err, says)
			require.Less(t, time.Since(start), 30*time.Second)
		})
	}
}
