package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"star97/internal/prompt"
)

// masterRate is the sample rate of a synthesised master, native to both engines.
const masterRate = 16000

// engine is a speech synthesiser.
type engine interface {
	// ready returns nil if the engine can speak with v here, else what is missing.
	ready(v prompt.Voice) error
	// speak returns 16-bit samples at masterRate. Equal texts give equal samples.
	speak(ctx context.Context, v prompt.Voice, text string) ([]int16, error)
}

// pico is SVOX Pico in WebAssembly, run by node, a fresh process for every text.
type pico struct {
	data  string // folder with LANGUAGE_ta.bin and VOICE_sg.bin
	tools string // folder with pico.mjs and node_modules
}

func (p pico) ready(v prompt.Voice) error {
	if p.data == "" {
		return errors.New("the SVOX Pico data folder is not known: give --data or PICO_DATA")
	}
	voice := filepath.Join(p.data, v.Voice+"_sg.bin")
	if _, err := os.Stat(voice); err != nil {
		return fmt.Errorf("there is no SVOX Pico voice %s: give the folder that has it with --data", voice)
	}
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not installed: SVOX Pico needs it")
	}
	if _, err := os.Stat(filepath.Join(p.tools, "node_modules", "@echogarden", "svoxpico-wasm")); err != nil {
		return fmt.Errorf("the SVOX Pico engine is not installed: run `npm ci --prefix %s`", p.tools)
	}
	return nil
}

func (p pico) speak(ctx context.Context, v prompt.Voice, text string) ([]int16, error) {
	marked, err := mark(text, v.Options)
	if err != nil {
		return nil, err
	}
	raw, err := output(ctx, marked, "node", filepath.Join(p.tools, "pico.mjs"), p.data, v.Voice)
	if err != nil {
		return nil, err
	}
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return brighten(pcm), nil
}

// mark wraps text in Pico's markup: options "volume 40, speed 95" become two tags.
func mark(text, options string) (string, error) {
	if strings.ContainsAny(text, "<>") {
		return "", errors.New("the text contains < or >, which SVOX Pico takes for markup")
	}
	for option := range strings.SplitSeq(options, ",") {
		words := strings.Fields(option)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return "", fmt.Errorf("the voice's option %q is not a name and a number, such as volume 40", strings.TrimSpace(option))
		}
		text = fmt.Sprintf(`<%[1]s level="%[2]s">%[3]s</%[1]s>`, words[0], words[1], text)
	}
	return text, nil
}

// flite is CMU Flite as Debian installs it.
type flite struct{}

func (flite) ready(prompt.Voice) error {
	if _, err := exec.LookPath("flite"); err != nil {
		return errors.New("flite is not installed: apt-get install flite")
	}
	return nil
}

func (flite) speak(ctx context.Context, v prompt.Voice, text string) ([]int16, error) {
	dir, err := os.MkdirTemp("", "star97-prompts")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "spoken.wav")
	if _, err := output(ctx, "", "flite", "-voice", v.Voice, "-t", text, "-o", file); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	rate, pcm, err := prompt.ReadWAV(data, nil)
	if err == nil && rate != masterRate {
		err = fmt.Errorf("flite's voice %q speaks at %d Hz, not %d", v.Voice, rate, masterRate)
	}
	return pcm, err
}

// output runs a program and returns what it wrote; the error has the last line of
// its complaint.
func output(ctx context.Context, stdin, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("%s failed (%w): %s", name, err, lines[len(lines)-1])
	}
	return out.Bytes(), nil
}
