package sqldb

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"star97/internal/sqlkit"
	"star97/internal/strictyaml"
)

// Options of the embedded store. Relative paths are taken from the data folder, see In.
type Options struct {
	Database   sqlkit.Options `yaml:"database"`    // path defaults to star97.db
	PepperFile string         `yaml:"pepper_file"` // default: pepper beside the database
	Pepper     PepperSource   `yaml:"pepper"`      // where the pepper comes from instead of a file
	Cost       Cost           `yaml:"cost"`        // of new hashes; an old one is made anew at the next right code
	Workers    int            `yaml:"workers"`     // hashes at a time, 0-256; 0, the default: one a core
	Queue      int            `yaml:"queue"`       // callers that may wait for a worker, 0-10000, default 128
	QueueWait  time.Duration  `yaml:"queue_wait"`  // longest wait for a worker, 10ms-1m, default 3s
	Age        Age            `yaml:",inline"`
	// Rehearsal lets Cost be as low as argon2id allows: for simulations, whose codes
	// are nobody's.
	Rehearsal bool `yaml:"-"`
}

// Cost is the argon2id cost of a hash (RFC 9106 section 3.1).
type Cost struct {
	Memory  int `yaml:"memory"`  // KiB, 19456-1048576, default 19456: OWASP's minimum, 55 ms of a core
	Passes  int `yaml:"passes"`  // 2-100, default 2
	Threads int `yaml:"threads"` // 1-64, default 1
}

// DefaultOptions has every default.
func DefaultOptions() Options {
	o := Options{
		Database:  sqlkit.DefaultOptions(),
		Cost:      Cost{Memory: 19456, Passes: 2, Threads: 1},
		Queue:     128,
		QueueWait: 3 * time.Second,
	}
	o.Database.Path = "star97.db"
	return o
}

// In returns o with its relative paths taken from dir.
func (o Options) In(dir string) Options {
	if !filepath.IsAbs(o.Database.Path) {
		o.Database.Path = filepath.Join(dir, o.Database.Path)
	}
	if o.PepperFile != "" && !filepath.IsAbs(o.PepperFile) {
		o.PepperFile = filepath.Join(dir, o.PepperFile)
	}
	return o
}

// Validate tells the first field that is out of its range.
func (o Options) Validate() error {
	if err := o.Database.Validate(); err != nil {
		return fmt.Errorf("database.%w", err)
	}
	return errors.Join(o.validateHashing(), o.Age.Validate(), strictyaml.Under("pepper", o.Pepper.Validate()))
}

func (o Options) validateHashing() error {
	least := Cost{Memory: 19456, Passes: 2}
	if o.Rehearsal {
		least = Cost{Memory: 8, Passes: 1}
	}
	for _, f := range []struct {
		name        string
		value, a, b int
	}{
		{"cost.memory", o.Cost.Memory, least.Memory, maxMemory},
		{"cost.passes", o.Cost.Passes, least.Passes, maxPasses},
		{"cost.threads", o.Cost.Threads, 1, maxThreads},
		{"workers", o.Workers, 0, 256},
		{"queue", o.Queue, 0, 10000},
	} {
		if f.value < f.a || f.value > f.b {
			return fmt.Errorf("%s is %d: use %d to %d", f.name, f.value, f.a, f.b)
		}
	}
	if o.QueueWait < 10*time.Millisecond || o.QueueWait > time.Minute {
		return fmt.Errorf("queue_wait is %v: use 10ms to 1m", o.QueueWait)
	}
	return nil
}

// Keys is the pepper file; empty if the pepper comes from elsewhere.
func (o Options) Keys() string {
	if o.Pepper.elsewhere() {
		return ""
	}
	return o.pepperFile()
}

func (o Options) pepperFile() string {
	if o.PepperFile != "" {
		return o.PepperFile
	}
	return filepath.Join(filepath.Dir(o.Database.Path), "pepper")
}

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}
