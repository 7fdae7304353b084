// Command roundhouse serves MCP for Sentry: one URL, and behind it one server,
// per user, organization and project. Without arguments it serves on loopback
// against the embedded sandbox.
//
// It wires the packages together and holds no logic of its own: flags and
// environment are read here and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"roundhouse/tools"
)

func main() {
	tools.Version = version()
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		os.Exit(interrupted)
	}()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "roundhouse:", printable(err.Error()))
	}
	os.Exit(exitCode(err))
}

// printable leaves out what a terminal would obey: an error may quote a server.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// interrupted is what a shell reports of a process that SIGINT ended.
const interrupted = 130

// run is the program: it picks the command and returns when that has ended.
// Canceling ctx asks it to drain and return nil.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	command, args := pick(args)
	if command == nil {
		return usageError{unknownCommand(args)}
	}
	cfg, err := parse(command, args, getenv, stdout)
	if errors.Is(err, errHelpShown) {
		return nil
	}
	if err != nil {
		return err
	}
	return command.run(ctx, cfg, streams{stdin, stdout, stderr})
}

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake of the person who typed the command.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	var own exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &usage):
		return 2
	default:
		return 1
	}
}
