package onetime

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// forms are a code's digits as they could stand somewhere.
func forms(code pin.PIN) (all [][]byte) {
	code.Reveal(func(digits []byte) {
		plain := bytes.Clone(digits)
		back := bytes.Clone(plain)
		slices.Reverse(back)
		for _, p := range [][]byte{plain, back} {
			sum := sha256.Sum256(p)
			all = append(all, p, []byte(base64.StdEncoding.EncodeToString(p)[:10]), []byte(hex.EncodeToString(p)), sum[:], []byte(hex.EncodeToString(sum[:])))
		}
	})
	return all
}

// Whatever is written, no file and no error holds a one-time code, and a planted one is found.
func TestNoFileAndNoErrorHoldsACode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := opened(t)(sqlkit.Open(t.Context(), sqlkit.Options{Path: filepath.Join(dir, "star97.db")}))
	d := deskOn(t, db)
	var codes []pin.PIN
	var said bytes.Buffer
	note := func(err error) {
		text, _ := json.Marshal(err)
		fmt.Fprintf(&said, "%v %+v %#v %s\n", err, err, err, text)
	}
	for i := range 30 {
		a := ada
		a.ID = fmt.Sprint(i)
		code := d.sent(t, a)
		codes = append(codes, code)
		note(d.Verify(t.Context(), a, other(t, code), oneTime))
		note(d.Verify(t.Context(), a, code, call(uint64(i))))
		note(d.Verify(t.Context(), a, code, oneTime))
		r := d.Change(t.Context(), a, code, code, call(uint64(i)))
		note(r.Err)
		note(d.Change(t.Context(), a, code, code, mailbox.Attempt{Claim: mailbox.ByOneTime}).Err)
		fmt.Fprintf(&said, "%+v %#v\n", r, d.Desk.proofs.kept)
	}
	d.post.fail = mailbox.Fail("carry", mailbox.NotFound, nil)
	note(d.Send(t.Context(), bob, oneTime))
	written := said.Bytes()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		written = append(written, data...)
	}
	found := func(in []byte) bool {
		return slices.ContainsFunc(codes, func(c pin.PIN) bool {
			return slices.ContainsFunc(forms(c), func(form []byte) bool { return bytes.Contains(in, form) })
		})
	}
	require.False(t, found(written))
	for _, planted := range forms(codes[7]) {
		require.True(t, found(append(bytes.Clone(written), planted...)))
	}
}
