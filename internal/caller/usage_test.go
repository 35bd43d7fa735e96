package caller

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsageOfAProcessThatIsGone(t *testing.T) {
	process := exec.Command("sleep", "1h")
	require.NoError(t, process.Start())
	u := startUsage(process.Process.Pid)
	u.cpu += 5 // that it used
	require.NoError(t, process.Process.Kill())
	require.Error(t, process.Wait())
	r := u.stop(10)
	require.Contains(t, r.Missing, "CPU figures are missing")
	require.Equal(t, [2]float64{}, [2]float64{r.CPU, r.PerCall}, "nothing is known of it")
}
