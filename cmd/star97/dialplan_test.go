package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/dialplans"
	"star97/internal/dialplan"
)

// What is printed is the dialplan in force, as a file.
func TestTheBuiltInDialplanIsPrinted(t *testing.T) {
	t.Parallel()
	out, errs, code := star97(t, "", "dialplan")
	require.Zero(t, code, errs)
	require.Equal(t, string(dialplans.Default), out)
	plan, problems := dialplan.Parse("printed.yaml", []byte(out))
	require.Empty(t, problems)
	require.Equal(t, dialplan.Default(), plan)

	out, errs, code = star97(t, "", "dialplan", "--json")
	require.Zero(t, code, errs)
	require.True(t, json.Valid([]byte(out)))
	plan, problems = dialplan.Parse("printed.json", []byte(out)) // JSON is YAML
	require.Empty(t, problems)
	require.Equal(t, dialplan.Default(), plan)
}

// A layout that is printed can be copied under layouts as it stands.
func TestALayoutIsPrinted(t *testing.T) {
	t.Parallel()
	names := shippedLayouts()
	require.Len(t, names, 7)
	for _, name := range names {
		out, errs, code := star97(t, "", "dialplan", name)
		require.Zero(t, code, errs)
		plan, problems := dialplan.Parse("copied.yaml", []byte("layouts:\n  copied:\n    "+strings.ReplaceAll(out, "\n", "\n    ")))
		require.Empty(t, problems)
		require.Equal(t, dialplan.Default().Layouts[name], plan.Layouts["copied"])
	}
	_, errs, code := star97(t, "", "dialplan", "meridian")
	require.Equal(t, 1, code)
	require.Contains(t, errs, `there is no layout "meridian"; use one of asterisk, attendant, default, express, freeswitch, netsapiens, unity`)
}
