package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// unfinished begins the names of what a backup in the making is put together in.
const unfinished = ".star97-backup-"

// leftover is such a name as os makes it.
var leftover = regexp.MustCompile(`^` + regexp.QuoteMeta(unfinished) + `[0-9]+$`)

// deadAfter is the age in which no backup is in the making any more.
const deadAfter = 24 * time.Hour

// Stage makes a folder within dir, readable by its owner only, for copies of what goes
// into a backup. Who makes it removes it. What a backup left in dir that was ended by
// force more than a day ago, which holds codes and peppers, is removed.
func Stage(dir string) (string, error) {
	if err := sweep(dir, time.Now().Add(-deadAfter)); err != nil {
		return "", fmt.Errorf("what a backup that was cut off has left in %s cannot be removed: %w; remove what is called %s* there", dir, err, unfinished)
	}
	stage, err := os.MkdirTemp(dir, unfinished+"*") // mode 0700
	if err != nil {
		return "", fmt.Errorf("the backup cannot be written to %s: %w; choose a folder that is there and writable", dir, err)
	}
	return stage, nil
}

// sweep removes what is this user's and was not touched since.
func sweep(dir string, since time.Time) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil // Stage tells of such a folder
	}
	var failed error
	for _, one := range all {
		if !leftover.MatchString(one.Name()) {
			continue
		}
		info, err := one.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && (info.ModTime().After(since) || !mine(info)) {
			continue
		}
		failed = errors.Join(failed, err, os.RemoveAll(filepath.Join(dir, one.Name())))
	}
	return failed
}

func mine(info fs.FileInfo) bool {
	is, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(is.Uid) == os.Geteuid()
}
