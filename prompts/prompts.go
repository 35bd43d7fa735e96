// Package prompts embeds the languages that star97 speaks: one folder per BCP 47
// tag with manifest.yaml and the WAV masters it names.
package prompts

import "embed"

// FS holds one folder per language.
//
//go:embed */manifest.yaml */*.wav
var FS embed.FS
