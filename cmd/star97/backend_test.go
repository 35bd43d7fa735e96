package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
)

// backendTest runs "star97 backend test ARGS" on the mailboxes of c.
func (c cli) backendTest(code int, stdin string, args ...string) (stdout, stderr string) {
	c.t.Helper()
	out, errs, exit := star97(c.t, stdin, append([]string{"backend", "test", "--data", c.data}, args...)...)
	require.Equal(c.t, code, exit, "%v: %s%s", args, out, errs)
	return out, errs
}

func TestBackendListNamesEveryDriver(t *testing.T) {
	t.Parallel()
	out, errs, code := star97(t, "", "backend", "list", "--json")
	require.Zero(t, code, errs)
	var all []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	var names []string
	for _, d := range all {
		names = append(names, d["driver"].(string))
		require.NotEmpty(t, d["system"])
		require.NotEmpty(t, d["at_rest"], d["driver"])
	}
	require.Equal(t, backend.Names(), names)

	out, _, code = star97(t, "", "backend", "list")
	require.Zero(t, code)
	require.Regexp(t, `(?m)^sqlite +the embedded store +native +transaction`, out)
}

func TestTheContractOfTheWebhookIsPrinted(t *testing.T) {
	t.Parallel()
	out, errs, code := star97(t, "", "backend", "webhook-api")
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^openapi: "?3\.1\.0`, out)
	require.Contains(t, out, "/verify:")
}

func TestAnInstallationIsProvedStepByStep(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001", "--name", "Ann Example", "--language", "en-GB")

	out, _ := c.backendTest(0, "")
	require.Regexp(t, `^reach +ok +store default \(sqlite\) answers`, out)
	require.NotContains(t, out, "find")

	out, _ = c.backendTest(0, "", "--extension", "4001")
	require.Regexp(t, `find +ok +mailbox 4001, name Ann Example, language en-GB`, out)
	require.NotContains(t, out, "verify")

	out, errs := c.backendTest(1, "482915\n", "--extension", "4001", "--verify")
	require.Regexp(t, `verify +FAILED +wrong-pin`, out)
	require.Contains(t, errs, "a step failed")
	require.NotContains(t, out+errs, "482915")

	out, _ = c.backendTest(0, "739164\n482915\n", "--extension", "4001", "--change")
	require.Regexp(t, `change +ok +the new code is in force; proved by transaction`, out)
	c.backendTest(1, "739164\n", "--extension", "4001", "--verify")
	for rule, next := range map[string]string{"same-run": "111111", "current": "482915", "own-number": "540018"} {
		out, _ = c.backendTest(1, "482915\n"+next+"\n", "--extension", "4001", "--change")
		require.Regexp(t, `rules +FAILED +policy-other: the rule `+rule+` refuses the new code`, out)
	}
	c.backendTest(0, "482915\n", "--extension", "4001", "--verify")
}

func TestATrialAsJSON(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001")
	out, _ := c.backendTest(1, "", "--extension", "4002", "--json")
	var steps []trialView
	require.NoError(t, json.Unmarshal([]byte(out), &steps))
	require.Len(t, steps, 2)
	require.True(t, steps[0].OK)
	require.Equal(t, "find", steps[1].Step)
	require.False(t, steps[1].OK)
	require.Contains(t, steps[1].Error, "there is no mailbox 4002")
}

func TestATrialNeedsItsMailboxAndItsCodes(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001")
	for _, mistaken := range [][]string{{"--extension", "4001", "--verify=739164"}, {"--extension", "4001", "--verify", "739164"}} {
		_, errs := c.backendTest(2, "", mistaken...)
		require.NotContains(t, errs, "7391")
	}
	_, errs := c.backendTest(2, "", "--verify")
	require.Contains(t, errs, "name it with --extension")
	_, errs = c.backendTest(1, "", "--extension", "4001", "--verify")
	require.Contains(t, errs, "no code was given")
	_, errs = c.backendTest(1, "739164\n", "--extension", "4001", "--change")
	require.Contains(t, errs, "no code was given")
}
