package main

import "strings"

// loadCommands are those of the load harness.
func loadCommands() []*command {
	return []*command{
		{
			name:    "load",
			operand: "[SCENARIO]",
			summary: "put calls on an MCP server as real clients do, check every answer, and report",
			help: `Signs users in, lets them work in many contexts at once at a rate that does not
wait for answers, checks that every answer is the asker's own, and tells how it
went. Latency counts from when a call was due.

  roundhouse load                       the scenario "mixed", on this machine alone
  roundhouse load --list                what else there is
  roundhouse load many-users --rate 500 --duration 1m --out report
  roundhouse load --print churn > mine.yaml; roundhouse load mine.yaml
  roundhouse load --compare all         other designs beside ours, in turns

Without --url it starts a sandbox and a server of its own, and removes both
afterwards. With --url it drives any MCP server that speaks streamable HTTP:

  roundhouse load one-context --url https://mcp.example.com/mcp --token-file tokens --yes
  ROUNDHOUSE_HEADER='X-Api-Key: …' roundhouse load mine.yaml --url http://127.0.0.1:3000/mcp

Progress goes to standard error, the report to standard output. The exit tells
how it went: 0 well, 1 it could not be done, 2 a wrong flag or file, 3 somebody
got a wrong answer (the exchange is written out), 4 it was worse than --fail or
--max-bad allow.

  roundhouse load diff A.json B.json           two runs beside each other
  roundhouse load merge --out ALL.json A.json… what several machines found
  roundhouse load rival NAME                   one of the other designs, to look at`,
			settings: join([]string{"config", "url", "header", "sign-in", "token-file", "sandbox-user", "scale", "faults-url", "metrics-url", "server-pid", "yes",
				"rate", "duration", "warmup", "contexts", "users", "era", "seed", "workers", "worker",
				"compare", "trials", "rounds", "turn", "sentry-delay", "fail", "max-bad", "fail-fast",
				"out", "plots", "wrong", "json", "quiet", "list", "print"}),
			check: checkLoad,
			run:   loadRun,
		},
		{
			name:    "load diff",
			operand: "A.json B.json",
			several: true,
			summary: "set two reports of load beside each other",
			help: `Compares what two runs found, kind of call by kind of call, and tells what is more
than noise. The first is what was before.

  roundhouse load mixed --out before; …; roundhouse load mixed --out after
  roundhouse load diff --out both.html before/report.json after/report.json

The page of --out draws both over one another.`,
			settings: []string{"config", "out", "json"},
			check:    checkLoadDiff,
			run:      loadDiff,
		},
		{
			name:    "load merge",
			operand: "A.json B.json…",
			several: true,
			summary: "merge the reports of workers that drove one server at the same time",
			help: `Makes one report of those of several machines, each of which ran one worker:

  roundhouse load many-users --url https://mcp.example.com/mcp --token-file tokens --worker 1/2 --out one    on one
  roundhouse load many-users --url https://mcp.example.com/mcp --token-file tokens --worker 2/2 --out two    on the other
  roundhouse load merge --out all.json one/report.json two/report.json

Without --out it is printed, as text or with --json as JSON.`,
			settings: []string{"config", "out", "json"},
			check:    checkLoadMerge,
			run:      loadMerge,
		},
		{
			name:    "load rival",
			operand: "NAME",
			summary: "serve the tools by another design, as --compare does",
			help: `Serves the catalog by one of the designs that --compare sets beside ours:

` + rivalList() + `
Without --sentry-url it has a sandbox of its own for as long as it runs, and says
which bearer token is good. It has no sign-in and is for comparing only, so it
listens on loopback addresses.`,
			settings: []string{"config", "addr", "sentry-url", "holders", "org", "project", "trust"},
			check:    checkLoadRival,
			run:      loadRival,
		},
	}
}

func rivalList() string {
	var b strings.Builder
	for _, d := range rivalDesigns() {
		b.WriteString("  " + d + "\n")
	}
	return b.String()
}
