package uas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// What RFC 4028 section 9 makes of an INVITE or UPDATE, table 2 among it.
func TestWhatIsGrantedOfASessionTimer(t *testing.T) {
	for rule, row := range map[string]struct {
		asks    string // header lines
		running expiry
		says    string // Session-Expires of the 2xx; a status if it is refused
		require bool   // the 2xx has Require: timer
	}{
		"nothing is asked, nobody serves it":        {"", expiry{}, "", false},
		"a timer that runs ends with such a one":    {"", expiry{interval: time.Hour}, "", false},
		"served, and nothing asked":                 {"Supported: timer\r\n", expiry{}, "1800;refresher=uac", true},
		"served, in the compact form, among others": {"k: 100rel, TIMER\r\n", expiry{}, "1800;refresher=uac", true},
		"in a second header":                        {"Supported: replaces\r\nSupported: timer\r\n", expiry{}, "1800;refresher=uac", true},
		"required":                                  {"Require: timer\r\nSession-Expires: 600\r\n", expiry{}, "600;refresher=uac", true},
		"an interval":                               {"Supported: timer\r\nSession-Expires: 600\r\n", expiry{}, "600;refresher=uac", true},
		"the compact form":                          {"Supported: timer\r\nx: 600;refresher=uas\r\n", expiry{}, "600;refresher=uas", true},
		"we are to refresh":                         {"Supported: timer\r\nSession-Expires: 600 ; refresher = UAS\r\n", expiry{}, "600;refresher=uas", true},
		"they want to":                              {"Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", expiry{interval: time.Hour, ours: true}, "600;refresher=uac", true},
		"who has refreshed goes on to":              {"Supported: timer\r\nSession-Expires: 600\r\n", expiry{interval: time.Hour, ours: true}, "600;refresher=uas", true},
		"who refreshes is none of the two":          {"Supported: timer\r\nSession-Expires: 600;refresher=ua\r\n", expiry{}, "600;refresher=uac", true},
		"longer than ours":                          {"Supported: timer\r\nSession-Expires: 7200\r\n", expiry{}, "1800;refresher=uac", true},
		"longer than ours, and not less":            {"Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600\r\n", expiry{}, "3600;refresher=uac", true},
		"no interval, but a least one":              {"Supported: timer\r\nMin-SE: 3600\r\n", expiry{}, "3600;refresher=uac", true},
		"never more than was asked":                 {"Supported: timer\r\nSession-Expires: 600\r\nMin-SE: 3600\r\n", expiry{}, "600;refresher=uac", true},
		"the least":                                 {"Supported: timer\r\nSession-Expires: 90\r\n", expiry{}, "90;refresher=uac", true},
		"too short":                                 {"Supported: timer\r\nSession-Expires: 89\r\nMin-SE: 60\r\n", expiry{}, "422", false},
		"a proxy asks for who does not serve it":    {"Session-Expires: 600\r\n", expiry{}, "600;refresher=uas", false},
		"and says who is to refresh":                {"Session-Expires: 600;refresher=uac\r\n", expiry{}, "600;refresher=uas", false},
		"and asks for too short a one":              {"Session-Expires: 30\r\n", expiry{}, "", false},
		"no number":                                 {"Supported: timer\r\nSession-Expires: soon\r\n", expiry{}, "1800;refresher=uac", true},
		"no number that anybody can count":          {"Supported: timer\r\nSession-Expires: 99999999999999999999\r\n", expiry{}, "1800;refresher=uac", true},
	} {
		t.Run(rule, func(t *testing.T) {
			msg := strings.Replace(plain("UPDATE"), "Content-Length", row.asks+"Content-Length", 1)
			parsed, err := sip.NewParser().ParseSIP([]byte(msg))
			require.NoError(t, err)
			d := &dialog{s: &Server{opts: DefaultOptions()}, expiry: row.running}
			e, headers, refused := d.timed(parsed.(*sip.Request))
			if refused != nil {
				require.Equal(t, row.says, fmt.Sprint(refused.status))
				require.Equal(t, []string{"Min-SE: 90"}, refused.headers)
				return
			}
			said := strings.Join(headers, "\n")
			require.Equal(t, row.require, strings.Contains(said, "Require: timer"))
			if row.says == "" {
				require.Empty(t, headers)
				require.Zero(t, e)
				return
			}
			require.Equal(t, "Session-Expires: "+row.says, headers[0])
			require.Equal(t, strings.HasSuffix(row.says, "uas"), e.ours)
			require.Equal(t, row.says[:strings.Index(row.says, ";")], inSeconds(e.interval))
		})
	}
}

// RFC 4028 section 10: half the interval; the smaller of 32 s and a third before its end.
func TestWhenASessionIsRefreshedAndEnded(t *testing.T) {
	now := time.Now()
	for interval, want := range map[time.Duration][2]time.Duration{
		90 * time.Second: {45 * time.Second, 60 * time.Second},
		30 * time.Minute: {15 * time.Minute, 30*time.Minute - 32*time.Second},
	} {
		e := expiry{interval: interval}.from(now)
		require.Equal(t, want[0], e.refresh.Sub(now))
		require.Equal(t, want[1], e.ends.Sub(now))
		later := now.Add(time.Hour)
		require.Equal(t, e.ends, e.due(later, false), "it is not ours to refresh")
		e.ours = true
		require.Equal(t, e.refresh, e.due(later, false))
		require.Equal(t, e.ends, e.due(later, true), "a refresh is under way")
	}
	require.Equal(t, now, expiry{}.due(now, false))
}
