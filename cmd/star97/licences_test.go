package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var writeLicences = flag.Bool("write", false, "write the README's table of licences anew")

// without are modules that bring no licence of their own, and the one of their origin,
// which the README tells.
var without = map[string]string{"github.com/gotranspile/g722": "BSD-3-Clause"}

// The README names the licence of every module in the program, as the module's own file
// says it; `make docs` writes the table anew.
func TestTheReadmeNamesEveryLicence(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- licences: make docs -->\n", "<!-- end of licences -->\n"
	info, err := buildinfo.ReadFile(program(t, false))
	require.NoError(t, err)
	require.Greater(t, len(info.Deps), 40)
	under := map[string][]string{}
	for _, m := range info.Deps {
		name := licenceOf(t, m.Path)
		under[name] = append(under[name], m.Path)
	}
	table := "| licence | modules |\n|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(under)) {
		slices.Sort(under[name])
		table += fmt.Sprintf("| %s | %s |\n", name, strings.Join(under[name], ", "))
	}
	const page = "../../README.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	stands, tail, found := strings.Cut(rest, end)
	require.True(t, found)
	if *writeLicences {
		require.NoError(t, os.WriteFile(page, []byte(head+begin+table+end+tail), 0o644))
		return
	}
	require.Equal(t, table, stands, "run make docs")
}

// licenceOf is the SPDX name of a module's licence, and that it brings a NOTICE.
func licenceOf(t *testing.T, module string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	require.NoError(t, err, module)
	files, err := os.ReadDir(strings.TrimSpace(string(dir)))
	require.NoError(t, err, module)
	name, notice := "", ""
	for _, f := range files {
		switch f.Name() {
		case "LICENSE", "LICENSE.txt":
			text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), f.Name()))
			require.NoError(t, err)
			name = spdx(strings.Join(strings.Fields(string(text)), " "))
			require.NotEmpty(t, name, "the licence of %s is none that is known here", module)
		case "NOTICE":
			notice = ", with a NOTICE"
		}
	}
	if of, is := without[module]; is {
		require.Empty(t, name, "%s has a licence of its own now", module)
		return of
	}
	require.NotEmpty(t, name, "%s has no licence", module)
	return name + notice
}

// spdx names a licence by a sentence that it alone has.
func spdx(text string) string {
	for _, one := range []struct{ says, name string }{
		{"Apache License Version 2.0", "Apache-2.0"},
		{"Permission is hereby granted, free of charge", "MIT"},
		{"Neither the name", "BSD-3-Clause"},
		{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
	} {
		if strings.Contains(text, one.says) {
			return one.name
		}
	}
	return ""
}
