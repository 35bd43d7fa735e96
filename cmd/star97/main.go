// Command star97 answers *97 and changes voicemail access codes by telephone.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the build: go build -ldflags "-X main.version=1.2.3".
var version = "development"

// exitError carries the exit code of a command that already said what went wrong,
// or says it through err.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Started by the first signal, stops at once: the second one ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and returns the process's exit code: 0 done,
// 1 it failed, 2 the command line is wrong, others as the command documents.
func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(input{ctx, os.Stdin})
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var exit exitError
	if !errors.As(err, &exit) {
		exit = exitError{2, fmt.Errorf("%s; write %s", masked(oneSentence(err), args), usage(cmd))}
	}
	for line := range strings.Lines(exit.Error()) {
		fmt.Fprintln(os.Stderr, "star97: "+strings.TrimSuffix(line, "\n"))
	}
	return exit.code
}

// oneSentence is an error of cobra's without its list of commands with similar names,
// which stands in lines of its own.
func oneSentence(err error) string {
	text, similar, listed := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	if listed {
		text += ", perhaps " + strings.Join(strings.Fields(similar), " or ") + " is meant"
	}
	return text
}

// masked is an error about a command line without the arguments in it that could be
// codes: somebody may have taken an option for the place of one.
func masked(text string, args []string) string {
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok {
			arg = value
		}
		if digits := strings.TrimLeft(arg, "-"); couldBeCode.MatchString(digits) {
			text = strings.ReplaceAll(text, digits, "...")
		}
	}
	return text
}

var couldBeCode = regexp.MustCompile(`^[0-9]{4,}$`)

// usage is how a command line goes on from the command that could not read it.
func usage(cmd *cobra.Command) string {
	help := cmd.CommandPath() + " --help"
	if cmd.HasSubCommands() {
		return "`" + help + "` for the commands"
	}
	return "`" + cmd.UseLine() + "`, or `" + help + "` for examples"
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "star97",
		Short: "Change voicemail access codes over the phone",
		Long: "star97 answers *97, asks for the current access code, takes a new one twice\n" +
			"and applies it to the voicemail system.",
		Example: "  star97 serve\n" +
			"  star97 mailbox add 4001 --name 'Ann Example'\n" +
			"  star97 call sip:*97@127.0.0.1 --from 4001 --script change --codes codes.txt",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), initCommand(), checkCommand(), codeCommand(), dialplanCommand(), mailboxCommand(), pepperCommand(), sipUserCommand(), backupCommand(), restoreCommand(), auditCommand(), backendCommand(), probeCommand(), callCommand(), benchCommand(), flowCommand(), digitsCommand())
	return root
}
