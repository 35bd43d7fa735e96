package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
	"star97/internal/dialplan"
)

// Whoever writes a layout is told the line, and with which keys it would be spoken.
func TestWhatNobodyHasRecordedIsSaidWithItsLineAndWhatIs(t *testing.T) {
	t.Parallel()
	const layout = "layouts:\n  mine:\n    main: m\n    menus:\n      m:\n        say: hello-there\n        keys:\n          \"2\": change\n          \"5\": repeat\n          \"7\": language es-ES\n          \"3\": transfer desk\n          \"*\": goodbye\n" +
		"targets: {desk: \"sip:1@a.example\"}\n"
	dir := t.TempDir()
	plan, file := filepath.Join(dir, "plan.yaml"), filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(file, []byte("dialplan: plan.yaml\n"), 0o600))
	told := func(text string, alter func(*dialplan.Plan)) (all []string) {
		require.NoError(t, os.WriteFile(plan, []byte(text), 0o600))
		c, problems := config.Load(file)
		require.Empty(t, problems)
		alter(c.Plan)
		voice, problems := LoadVoice(c)
		require.Empty(t, problems)
		layouts, err := Layouts(c)
		require.NoError(t, err)
		for _, p := range Unspoken(c, voice, layouts) {
			all = append(all, p.Error())
		}
		return all
	}
	got := told(layout+"routes:\n- {number: \"1\", door: any, layout: mine}\n", func(*dialplan.Plan) {})
	const own = ", or put your own recording into the folder that prompts.folder names."
	require.ElementsMatch(t, []string{
		plan + `:6: The layout "mine" says "hello-there", but nobody has recorded it in en-US. Write attendant-welcome, welcome or the id of another sentence in the manifests of the prompts` + own,
		plan + `:9: The layout "mine" says "option-repeat-5", but nobody has recorded it in en-US. repeat is recorded with 9 and *: use such a key` + own,
		plan + `:11: The layout "mine" says "option-desk-3", but nobody has recorded it in en-US. transfer desk is recorded with no key: use another action` + own,
	}, got)
	const shipped = "routes:\n- {number: \"1\", door: any}\n- {number: \"2\", door: any, layout: netsapiens}\n"
	require.Empty(t, told(shipped, func(*dialplan.Plan) {}))
	got = told(shipped, func(p *dialplan.Plan) {
		p.Layouts["netsapiens"].Menus["main"].Keys["5"] = dialplan.Choice{Action: dialplan.DoRepeat}
	})
	require.Len(t, got, 1)
	require.Contains(t, got[0], plan+`:3: The layout "netsapiens" says "option-repeat-5"`, "a layout that is not in the file: the route that names it")
}
