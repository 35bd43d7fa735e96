package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
)

func TestShortfallsAreToldAtStart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		files  uint64
		want   []string
	}{
		"the defaults carry what they allow": {func(*config.Config) {}, 2576, nil},
		"one descriptor is missing":          {func(*config.Config) {}, 2575, []string{"2575 files may be open, but 1000 calls need 2576"}},
		"far too few for more calls":         {func(c *config.Config) { c.SIP.Limits.Calls = 5000 }, 1024, []string{"1024 files may be open, but 5000 calls need 10576"}},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config.Default()
			c.change(&conf)
			got := shortfalls(conf, c.files)
			require.Len(t, got, len(c.want))
			for i := range got {
				require.Contains(t, got[i], c.want[i])
			}
		})
	}
	require.NotZero(t, openFiles())
}
