package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/probe"
)

const twoProbes = `probes:
  pilot:
    uri: sip:*98@192.0.2.10
    fingerprints: pilot.json
    script:
    - {until: greeting, press: "{extension}#"}
    - {wait: 500ms, press: "{code}#"}
`

func TestAProbeIsReadOverTheDefaults(t *testing.T) {
	name := written(t, twoProbes)
	c, problems := Load(name)
	require.Empty(t, problems)
	o, d := c.Probes["pilot"], probe.DefaultOptions()
	require.Equal(t, d.Within, o.Within)
	require.Len(t, o.Script, 2)
	require.Equal(t, d.Script[0].AtMost, o.Script[1].AtMost)
	require.True(t, strings.HasPrefix(o.Fingerprints, name[:strings.LastIndexByte(name, '/')]), "beside the configuration")
	require.Empty(t, c.slowProbes())
}

func TestWhatIsWrongWithAProbeIsNamedWithItsLine(t *testing.T) {
	for text, says := range map[string]string{
		strings.Replace(twoProbes, "wait: 500ms", "wait: 11s", 1):               "star97.yaml:7: probes.pilot: script[1].wait is 11s",
		strings.Replace(twoProbes, "  pilot:", "  Pilot 1:", 1):                 `The probe "Pilot 1" is no name`,
		twoProbes + "stores: {east: {verify: {by: probe, name: plot}}}\n":       "There is no probe plot.",
		strings.Replace(twoProbes, "    uri", "    calls: 65\n    uri", 1):      "star97.yaml:3: probes.pilot: calls is 65",
		strings.Replace(twoProbes, "    uri", "    likelihood: 80\n    uri", 1): "star97.yaml:3",
		strings.Replace(twoProbes, `"{code}#"`, `"{code}{code}"`, 1):            "must hold {code} once",
	} {
		_, problems := Load(written(t, text))
		require.Len(t, problems, 1, text)
		require.Contains(t, problems[0].Error(), says)
	}
}

func TestAProbeSlowerThanTheCallerWaitsIsWarnedOf(t *testing.T) {
	c, problems := Load(written(t, strings.Replace(twoProbes, "    uri", "    within: 8s\n    uri", 1)))
	require.Empty(t, problems)
	var all []string
	for _, w := range c.Warnings() {
		all = append(all, w.Error())
	}
	require.Contains(t, strings.Join(all, "\n"), "star97.yaml:3: probes.pilot.within is 8s, but a caller waits no longer than call.store_deadline, 8s")
}
