package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/prompt"
)

// soon is enough for what a service does at once, on a busy machine.
const soon = 30 * time.Second

// get asks the service for a page.
func (v *service) get(path string) (status int, body string) {
	v.t.Helper()
	res, err := http.Get(v.HTTP + path)
	require.NoError(v.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	return res.StatusCode, string(text)
}

// reads waits until each of some lines stands in the metrics.
func (v *service) reads(lines ...string) {
	v.t.Helper()
	body := ""
	require.Eventually(v.t, func() bool {
		_, body = v.get("/metrics")
		for _, line := range lines {
			if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(body) {
				return false
			}
		}
		return true
	}, soon, 50*time.Millisecond)
	require.NotRegexp(v.t, `="[^"]*4001`, body, "no extension is a label")
}

func (v *service) says(text string, times int) {
	v.t.Helper()
	require.Eventually(v.t, func() bool { return strings.Count(v.Stderr.String(), text) >= times }, soon, 20*time.Millisecond, text)
}

func TestTheProgramShowsWhatItDoes(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		v := startService(t, setup{Race: true, Codes: map[string]string{"4001": "482915"}, Sections: map[string]string{"drain": "1m"}})
		status, body := v.get("/healthz")
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"alive": true}`, body)
		status, body = v.get("/readyz")
		require.Equal(t, 200, status, body)
		v.reads(`star97_build_info\{version="development"\} 1`, `star97_calls_in_progress 0`, `star97_hash_waiting 0`,
			`star97_rtp_ports_free 100`, `star97_changes_total\{outcome="done",reason="none"\} 0`)

		codes := filepath.Join(t.TempDir(), "codes.txt")
		require.NoError(t, os.WriteFile(codes, []byte("old: 482915\nnew: 739164\n"), 0o600))
		out, stderr, code := star97(t, "", "call", "sip:*97@"+v.UDP.String(), "--from", "4001", "--script", "change", "--codes", codes)
		require.Zero(t, code, "%s%s", out, stderr)
		v.reads(
			`star97_calls_total\{door="own",end="hung-up",language="en-US",peer="this-machine",transport="udp"\} 1`,
			`star97_call_seconds_count\{door="own"\} 1`, `star97_answer_seconds_count 1`, `star97_first_packet_seconds_count 1`,
			`star97_key_calls_total\{source="event"\} 1`, `star97_key_calls_total\{source="info"\} 0`, `star97_keys_lost_total 0`,
			`star97_rtp_packets_total\{direction="out"\} [1-9]\d+`, `star97_rtp_packets_total\{direction="in"\} [1-9]\d+`,
			`star97_pacing_late_seconds_count [1-9]\d+`, `star97_rtp_ports_free 100`,
			`star97_store_answers_total\{backend="sqlite",code="ok",operation="lookup"\} 1`,
			`star97_store_answers_total\{backend="sqlite",code="ok",operation="verify"\} 1`,
			`star97_store_answers_total\{backend="sqlite",code="ok",operation="change"\} 1`,
			`star97_store_seconds_count\{backend="sqlite",operation="verify"\} 1`,
			`star97_changes_total\{outcome="done",reason="none"\} 1`, `star97_audit_errors_total 0`,
		)
		ended := regexp.MustCompile(`msg="call ended" call=\S+ end=hung-up change=done door=own layout=default language=en-US peer=this-machine ` +
			`transport=udp source=127.0.0.1 caller=4001 mailbox=\S+ domain="" seconds=[\d.]+ keys=event keys_lost=0 ` +
			`keys_repeated=false key_faults=none codec=\S+ packets_out=\d+ dropped_in=\d+ source_changes=\d+ ` +
			`(lost_out=\d+ )?(round_trip=\S+ )?(lost_in=\d+ jitter_in=\S+ )?unknown=[a-z_,]+\n`)
		require.Eventually(t, func() bool { return ended.MatchString(v.Stderr.String()) }, soon, 20*time.Millisecond)

		waiting := callertest.Dial(t, caller.Options{URI: "sip:*98@" + v.UDP.String(), From: "4001", Listen: "127.0.0.1"})
		waiting.Hear(prompt.EnterExtension)
		v.reads(`star97_calls_in_progress 1`, `star97_rtp_ports_free 99`)
		v.signal(syscall.SIGTERM)
		require.Eventually(t, func() bool { status, body = v.get("/readyz"); return status == 503 }, soon, 20*time.Millisecond)
		require.JSONEq(t, `{"ready": false, "reasons": [{"reason": "draining", "text": "star97 is shutting down; calls up: 1."}]}`, body)
		waiting.Hangup()
		require.NoError(t, v.wait())
	})
}

func TestSIGHUPTakesAnAlteredFileOver(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
		patient := filepath.Join(t.TempDir(), "patient.yaml") // a caller who waits for all of this test
		write(patient, "timers: {first_digit: 60s}\n")
		v := startService(t, setup{Race: true, Sections: map[string]string{"log": "{level: info}", "dialplan": patient}})
		plan := filepath.Join(filepath.Dir(v.Config), "plan.yaml")
		before, err := os.ReadFile(v.Config)
		require.NoError(t, err)
		up := callertest.Dial(t, caller.Options{URI: "sip:*98@" + v.UDP.String(), From: "4001", Listen: "127.0.0.1"})
		up.Hear(prompt.EnterExtension)

		write(plan, "routes:\n  - {number: \"*55\", door: any}\n")
		write(v.Config, strings.NewReplacer("{level: info}", "{level: debug, format: json}", patient, "plan.yaml").Replace(string(before)))
		v.signal(syscall.SIGHUP)
		v.says(`msg="configuration taken over" options="[dialplan log.level]"`, 1)
		v.says(`msg="these options have changed and need a restart" options=[log.format]`, 1)
		p := newTextPhone(t, v.UDP, "*55")
		require.Equal(t, 200, p.call(textOffer).status)
		p.hangUp()
		require.Equal(t, 404, newTextPhone(t, v.UDP, "*98").call(textOffer).status)
		v.says("level=DEBUG", 1)

		for n, spoil := range []func(){
			func() { write(plan, "routes:\n  - {number: \"*56\", dor: any}\n") },
			func() { write(v.Config, "sip: {listen: 5060}\n") },
			func() { require.NoError(t, os.Remove(v.Config)) },
		} {
			spoil()
			v.signal(syscall.SIGHUP)
			v.says(`msg="the configuration is not taken over; what was in force stays"`, n+1)
		}
		require.Contains(t, v.Stderr.String(), `plan.yaml:2: The key \"dor\" is not known here.`)
		require.Contains(t, v.Stderr.String(), "There is no such file. Check the name.")
		v.reads(`star97_reloads_total\{result="ok"\} 1`, `star97_reloads_total\{result="failed"\} 3`)
		p = newTextPhone(t, v.UDP, "*55")
		require.Equal(t, 200, p.call(textOffer).status)
		p.hangUp()
		up.Press("*")
		up.Hear(prompt.Goodbye) // the call of before goes on by its own plan
	})
}
