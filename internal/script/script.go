// Package script reads the small language of calls: one step a line, a verb and
// its words. star97 call runs such files against a real server, the scenario
// tests run them against Step alone and over real RTP. It executes nothing.
package script

// Line is one step: "press 4001#", "hear enter-code", "store verify wrong".
type Line struct {
	Number int // 1-based line in the file
	Verb   string
	Args   []string
}
