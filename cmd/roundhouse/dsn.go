package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"roundhouse/sandbox"
)

// sandboxDSN prints where SDKs send to: one DSN alone, for scripts, or all.
func sandboxDSN(ctx context.Context, cfg *config, s streams) (err error) {
	sb, err := openOrMake(ctx, cfg, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	if err := sb.SetBaseURL(cfg.SandboxURL); err != nil {
		return usageError{fmt.Errorf("--sandbox-url: %w", err)}
	}
	name := cfg.Operand
	if name == "" && cfg.SDK != "" {
		name = sampleOrg + "/" + emptyProject
	}
	if name == "" {
		return printDSNs(ctx, s.out, sb)
	}
	org, project, _ := strings.Cut(name, "/")
	dsn, err := sb.DSN(ctx, org, project)
	if err != nil {
		return fmt.Errorf("%w; roundhouse sandbox dsn lists the projects", err)
	}
	if cfg.SDK != "" {
		dsn = sandbox.Snippet(cfg.SDK, dsn)
	}
	_, err = fmt.Fprintln(s.out, dsn)
	return err
}

func printDSNs(ctx context.Context, w io.Writer, sb *sandbox.Sandbox) error {
	all, err := sb.DSNs(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if _, err := fmt.Fprintf(w, "%-32s %s\n", p.Org+"/"+p.Project, p.DSN); err != nil {
			return err
		}
	}
	return nil
}

// emptyProject of sampleOrg waits for what its owner sends.
const emptyProject = "my-app"

// dsnCommand is what to type for the DSNs of a sandbox that is served at url.
func (c *config) dsnCommand(url string) string {
	command := "roundhouse sandbox dsn" + c.dataFlag()
	if url != defaultSandboxURL {
		command += " --sandbox-url " + url
	}
	return command
}

// dataFlag names the data directory to another command, with a space before it,
// where it is not the default.
func (c *config) dataFlag() string {
	if c.Data == c.usualData {
		return ""
	}
	if plainWord.MatchString(c.Data) {
		return " --data " + c.Data
	}
	return " --data '" + strings.ReplaceAll(c.Data, "'", `'\''`) + "'"
}

// plainWord is what no shell reads anything into.
var plainWord = regexp.MustCompile(`^[\w./:@-]+$`)

// welcome names who can sign in and, at the first start, where to send a first
// error.
func welcome(ctx context.Context, w io.Writer, sb *sandbox.Sandbox, first bool, dsnCommand string) error {
	const most = 6
	people, err := sb.People(ctx, most)
	if err != nil {
		return err
	}
	label := "Sign in as"
	for _, p := range people {
		fmt.Fprintf(w, "  %-12s %-22s %s\n", label, p.Email, p.Orgs)
		label = ""
	}
	fmt.Fprintf(w, "  %-12s there is no password\n", "")
	dsn, err := sb.DSN(ctx, sampleOrg, emptyProject)
	if err != nil || !first { // it may have been renamed, or its key turned off
		fmt.Fprintf(w, "  %-12s %s    tells where SDKs send to\n", "Your own", dsnCommand)
		return nil
	}
	fmt.Fprintf(w, "  %-12s %s/%s is empty; send it an error of yours:\n", "Your own", sampleOrg, emptyProject)
	for line := range strings.SplitSeq(sandbox.Snippet("python", dsn), "\n") {
		fmt.Fprintf(w, "  %-12s   %s\n", "", line)
	}
	fmt.Fprintf(w, "  %-12s %s --sdk %s    for another language\n", "", dsnCommand, strings.Join(sandbox.SDKs, "|"))
	return nil
}
