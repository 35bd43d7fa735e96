package caller

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, the unit of CPU times under /proc (proc(5)); it is 100
// on every Linux that Go runs on.
const ticksPerSecond = 100

// Usage is what a process and the machine used while a run measured.
type Usage struct {
	Seconds     float64 `json:"seconds"`                      // of the measurement
	CallSeconds float64 `json:"call_seconds"`                 // sum over calls
	CPU         float64 `json:"cpu_seconds,omitempty"`        // of the process
	PerCall     float64 `json:"us_per_call_second,omitempty"` // CPU microseconds
	Memory      int64   `json:"rss_bytes,omitempty"`          // of the process, at the end
	Anonymous   int64   `json:"anonymous_bytes,omitempty"`    // of these, without pages of files such as the program's own
	Own         float64 `json:"generator_cpu_seconds"`        // of this process
	Stolen      float64 `json:"stolen_seconds"`               // by the machine's host
	Missing     string  `json:"missing,omitempty"`            // why figures are not there
}

// What the host may take of a run before its figures are in doubt: so much, or so much of
// each second if that is more.
const (
	stolenLeast = 200 * time.Millisecond
	stolenShare = 0.005
)

func (r Usage) stolenAtMost() time.Duration {
	return max(stolenLeast, time.Duration(r.Seconds*stolenShare*float64(time.Second)).Round(10*time.Millisecond))
}

// usage is a measurement that has begun.
type usage struct {
	pid              int
	begin            time.Time
	cpu, own, stolen float64
	missing          error
}

// startUsage begins to measure process pid; 0: only this one.
func startUsage(pid int) *usage {
	u := &usage{pid: pid, begin: time.Now()}
	u.own, u.missing = processCPU(os.Getpid())
	if pid != 0 {
		var err error
		u.cpu, err = processCPU(pid)
		u.missing = errors.Join(u.missing, err)
	}
	u.stolen = stolenTime()
	return u
}

// stop ends the measurement over so many call-seconds.
func (u *usage) stop(callSeconds float64) Usage {
	r := Usage{Seconds: round(time.Since(u.begin).Seconds(), 3), CallSeconds: round(callSeconds, 3)}
	r.Stolen = round(stolenTime()-u.stolen, 2)
	if own, err := processCPU(os.Getpid()); err == nil {
		r.Own = round(own-u.own, 2)
	}
	if u.pid != 0 && u.missing == nil {
		u.missing = u.ofProcess(&r)
	}
	if u.missing != nil {
		r.Missing = "CPU figures are missing: " + u.missing.Error()
	}
	return r
}

// ofProcess adds what the process used. Of one that is gone nothing is known.
func (u *usage) ofProcess(r *Usage) error {
	cpu, err := processCPU(u.pid)
	if err != nil {
		return err
	}
	r.CPU = round(cpu-u.cpu, 2)
	r.Memory, r.Anonymous = residentSize(u.pid)
	if r.CallSeconds > 0 {
		r.PerCall = round((cpu-u.cpu)*1e6/r.CallSeconds, 1)
	}
	return nil
}

func (r Usage) table(w io.Writer) {
	if r.CPU > 0 {
		fmt.Fprintf(w, "process: %.2f s CPU in %.1f s, %.0f us per call-second, %.0f MB resident, %.0f MB without pages of files\n",
			r.CPU, r.Seconds, r.PerCall, float64(r.Memory)/1e6, float64(r.Anonymous)/1e6)
	}
	fmt.Fprintf(w, "generator: %.2f s CPU; stolen by the host: %.2f s\n", r.Own, r.Stolen)
}

// processCPU is the user and system time of a process in seconds (proc(5), stat
// fields 14 and 15).
func processCPU(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in field 2 may hold blanks and brackets; fields count from behind it.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has only %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	return float64(user+system) / ticksPerSecond, errors.Join(err1, err2)
}

// residentSize is the memory of a process in bytes, and how much of it are no pages of
// files (proc(5), statm fields 2 and 3); 0 if it cannot be read.
func residentSize(pid int) (all, anonymous int64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, 0
	}
	var total, resident, shared int64
	if _, err := fmt.Sscan(string(raw), &total, &resident, &shared); err != nil {
		return 0, 0
	}
	page := int64(os.Getpagesize())
	return resident * page, (resident - shared) * page
}

// stolenTime is the CPU time that the machine's host gave to others, in seconds of
// one CPU (proc(5), /proc/stat, field 8 of the cpu line); 0 if it cannot be read.
func stolenTime() float64 {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0
	}
	ticks, err := strconv.ParseFloat(fields[8], 64)
	if err != nil {
		return 0
	}
	return ticks / ticksPerSecond
}
