package main

import (
	"context"
	"fmt"
	"io"
)

// banner tells a person what runs here and what to do with it.
func (p *program) banner(ctx context.Context, w io.Writer) error {
	mcp := p.publicURL + "/mcp"
	line := func(label, text string, args ...any) {
		fmt.Fprintf(w, "  %-12s %s\n", label, fmt.Sprintf(text, args...))
	}
	org, project := "{org}", "{project}"
	fmt.Fprintf(w, "\nRoundhouse %s\n\n", version())
	if p.backend.sandbox != nil {
		org, project = sampleOrg, sampleProject
		line("Sentry", "the embedded sandbox: made-up data, nothing leaves this machine")
	} else {
		line("Sentry", "%s", p.backend.url)
	}
	line("MCP client", "%-56s everything you can see", mcp)
	line("", "%-56s one organization", mcp+"/"+org)
	line("", "%-56s one project", mcp+"/"+org+"/"+project)
	line("Claude Code", "claude mcp add --transport http roundhouse %s", mcp)
	line("mcp-remote", "npx mcp-remote %s", mcp)
	if p.backend.sandbox != nil {
		story, err := p.backend.sandbox.HasStory(ctx)
		if err != nil {
			return err
		}
		for i, question := range questions {
			if story {
				line([]string{"Ask", "", ""}[i], "%s", question)
			}
		}
		if err := welcome(ctx, w, p.backend.sandbox, p.backend.fresh, p.dsnCommand); err != nil {
			return err
		}
	}
	if p.metricsURL != "" {
		line("Metrics", "%s", p.metricsURL)
	}
	line("Stop", "Ctrl-C")
	fmt.Fprintln(w)
	return nil
}

// What the sandbox holds from its first start.
const sampleOrg, sampleProject = "acme-outdoors", "storefront"

// questions have good answers there.
var questions = [3]string{
	"What broke in acme-outdoors in the last two days?",
	"Who is affected by the most frequent unresolved issue, and since which release?",
	"Which endpoints of acme-outdoors are the slowest?",
}
