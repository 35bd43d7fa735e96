package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// errInterrupted stands where a signal came while standard input was waited for.
var errInterrupted = errors.New("interrupted; nothing was changed")

// input is standard input as commands read it: whoever waits for it waits no longer than
// until the command's context ends. The process ends then, so what comes later is nobody's.
type input struct {
	ctx  context.Context
	file *os.File
}

// Read is the file's; errInterrupted once the context has ended.
func (i input) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, errInterrupted
	}
	type result struct {
		text []byte
		err  error
	}
	came := make(chan result, 1)
	// Started by each Read; stops when something comes or the process ends; owns its buffer,
	// since nobody may write into p any more after an interrupted Read.
	go func() {
		text := make([]byte, len(p))
		n, err := i.file.Read(text)
		came <- result{text[:n], err}
	}()
	select {
	case r := <-came:
		defer clear(r.text)
		return copy(p, r.text), r.err
	case <-i.ctx.Done():
		return 0, errInterrupted
	}
}

// terminal is in as somebody's keyboard, if it is one.
func terminal(in io.Reader) (t input, is bool) {
	t, is = in.(input)
	return t, is && term.IsTerminal(int(t.file.Fd()))
}

// hidden asks a question at a terminal and reads a line that is not shown. However it
// ends, the terminal shows again what is typed.
func (i input) hidden(question string, notes io.Writer) ([]byte, error) {
	fd := int(i.file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be read: %w", err)
	}
	fmt.Fprint(notes, question)
	defer fmt.Fprintln(notes)
	type result struct {
		line []byte
		err  error
	}
	typed := make(chan result, 1)
	// Started by hidden; stops when a line was typed or the process ends; owns the line.
	go func() {
		line, err := term.ReadPassword(fd)
		typed <- result{line, err}
	}()
	select {
	case r := <-typed:
		if r.err != nil {
			return nil, fmt.Errorf("the terminal cannot be read: %w", r.err)
		}
		return r.line, nil
	case <-i.ctx.Done():
		restore(fd, before)
		return nil, fmt.Errorf("the terminal cannot be read: %w", errInterrupted)
	}
}

// restore undoes what ReadPassword does to a terminal, which it may be about to do.
func restore(fd int, before *term.State) {
	for range 100 {
		if now, err := term.GetState(fd); err != nil || *now != *before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_ = term.Restore(fd, before) // a terminal that has gone shows nothing anyway
}

// maxLine bounds what is read for a code or a password, in bytes: more than any has.
const maxLine = 1024

// readNew reads what is to be in force from now on, and what parse makes of it: one line of
// standard input and nothing behind it, since nobody can say which of two was meant. At a
// terminal it is not shown and asked for twice.
func readNew[T any](in io.Reader, notes io.Writer, what string, parse func(string) (T, error), same func(a, b T) bool) (none T, err error) {
	if t, is := terminal(in); is {
		return askNew(t, notes, what, parse, same)
	}
	lines := bufio.NewReader(io.LimitReader(in, maxLine))
	line, err := lines.ReadString('\n')
	if err == nil {
		_, err = lines.ReadByte()
	}
	switch {
	case err == nil:
		return none, fmt.Errorf("standard input has more than one line; write the new %s to it and nothing else", what)
	case !errors.Is(err, io.EOF):
		return none, fmt.Errorf("standard input cannot be read: %w", err)
	}
	return parse(strings.TrimRight(line, "\r\n"))
}

func askNew[T any](t input, notes io.Writer, what string, parse func(string) (T, error), same func(a, b T) bool) (none T, err error) {
	var typed [2]T
	for i, question := range []string{"New " + what + ": ", "Once more: "} {
		line, err := t.hidden(question, notes)
		if err != nil {
			return none, err
		}
		typed[i], err = parse(string(line))
		clear(line)
		if err != nil {
			return none, err
		}
	}
	if !same(typed[0], typed[1]) {
		return none, fmt.Errorf("the two %ss are not the same; nothing was changed", what)
	}
	return typed[0], nil
}
