package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"roundhouse/sandbox"
)

// sandboxReset deletes the sandbox after it has said what goes with it.
func sandboxReset(ctx context.Context, cfg *config, s streams) error {
	dir, err := cfg.dataDir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, sandboxFile)
	holds, err := sandbox.Inspect(ctx, path)
	if errors.Is(err, sandbox.ErrNone) {
		_, err := fmt.Fprintf(s.out, "There is no sandbox in %s; the next start makes one.\n", dir)
		return err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "This deletes %s (%.1f MB): %s.\n", path, float64(holds.Size)/1e6, describe(holds))
	if !cfg.Yes {
		fmt.Fprint(s.out, "Delete it? [y/N] ")
		answer, _ := bufio.NewReader(s.in).ReadString('\n') // its end is a no
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return errors.New("the sandbox was not deleted; answer y, or give --yes")
		}
	}
	if err := sandbox.Delete(ctx, path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, "Deleted. The next start makes a new one.")
	return err
}

func describe(c sandbox.Contents) string {
	if c.Damaged {
		return "it is damaged, or of another release, and what it holds cannot be counted"
	}
	return fmt.Sprintf("%s, %s, %s, %s, %s and %s",
		amount(c.Orgs, "organization", "organizations"), amount(c.Projects, "project with its keys", "projects with their keys"), amount(c.Issues, "issue", "issues"),
		amount(c.Items, "event, span or log", "events, spans and logs"), amount(c.Tokens, "token", "tokens"), amount(c.Applications, "OAuth application", "OAuth applications"))
}

func amount(n int64, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
