package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// command is one thing the program can do. The first in commands is done when
// nothing else is asked for.
type command struct {
	name     string
	operand  string // how help writes what is not a flag; "": there is nothing else
	several  bool   // there may be more than one of these
	summary  string // one line
	help     string // what --help says above the flags
	settings []string
	check    func(*config) error
	run      func(context.Context, *config, streams) error
}

var shared = []string{"config", "data", "log-level", "log-format"}

var sentrySettings = []string{"sentry-url", "sentry-ca-file"}

// commands is a func because help refers to it.
func commands() []*command {
	all := []*command{
		{
			name:    "serve",
			summary: "serve MCP over HTTP (the default)",
			help: `Serves one MCP endpoint per context:

  /mcp                   everything the signed-in user can see
  /mcp/{org}             one organization
  /mcp/{org}/{project}   one project

Without --sentry-url it runs against the embedded sandbox: made-up data, kept in
the data directory, and nothing leaves this machine. For a real Sentry, register
an OAuth application there with the redirect URL {public-url}/oauth/callback:

  roundhouse --sentry-url https://sentry.example.com --sentry-client-id ID \
             --public-url https://mcp.example.com --addr :8080

and give the client's secret in ROUNDHOUSE_SENTRY_CLIENT_SECRET.

Several nodes can share one PostgreSQL, given in ROUNDHOUSE_STORE. Each needs a
copy of the same roundhouse.key in its data directory. What one address may ask for
is limited in each node by itself: with N of them, up to N times as much gets
through.`,
			settings: join(shared, sentrySettings, []string{"addr", "public-url", "store", "trusted-proxies", "client-documents", "glama-claim", "step-up", "confirm", "sentry-client-id", "sentry-client-secret",
				"sentry-revoke-url", "sentry-bearer", "admin-emails", "admin-roles", "allowed-origins", "idle", "session-idle", "max-contexts", "drain", "metrics-addr",
				"empty", "scale"}),
			check: checkServe,
			run:   serve,
		},
		{
			name:    "stdio",
			summary: "serve one context over standard input and output, for a local agent",
			help: `Serves one context to the program that started it. Logs go to standard error.

  roundhouse stdio --org acme-outdoors --project storefront
  ROUNDHOUSE_SENTRY_TOKEN=… roundhouse stdio --sentry-url https://sentry.example.com --org acme

Without --sentry-url it runs against the embedded sandbox and needs no token. The
links in its answers open while a roundhouse serves that sandbox; where it does so
at another address, --sandbox-url says where.`,
			settings: join(shared, sentrySettings, []string{"org", "project", "sentry-token", "skills", "confirm", "sandbox-user", "sandbox-url"}),
			check:    checkStdio,
			run:      stdio,
		},
		{
			name:    "token create",
			summary: "make a personal access token for a job that has no browser, and print it",
			help: `Makes a token that is good at one context, for some skills, and prints it once.
Its user finds and revokes it at {public-url}/account, where they can also make
one themselves. Run it with the data directory of the server, which may be
running, and the public URL that the server has:

  roundhouse token create --org acme-outdoors --skills inspect --expires 90d
  ROUNDHOUSE_SENTRY_TOKEN=… roundhouse token create --sentry-url https://sentry.example.com \
             --public-url https://mcp.example.com --org acme --token-name "nightly report"

The token stands for a Sentry token: in the sandbox a new one of --sandbox-user,
else the one that is given, whose user it acts as. Send it as
"Authorization: Bearer rh_pat_…".`,
			settings: join(shared, sentrySettings, []string{"addr", "public-url", "store", "org", "project", "skills", "sandbox-user", "sentry-token", "token-name", "expires"}),
			check:    checkTokenCreate,
			run:      tokenCreate,
		},
		{
			name:    "token list",
			summary: "list the personal access tokens: their names, contexts, skills, ends and last uses",
			help: `Lists the personal access tokens that have not expired, the newest first. None can
be used by what is shown: the tokens themselves are kept nowhere.`,
			settings: join(shared, []string{"store", "user"}),
			check:    (*config).checkStore,
			run:      tokenList,
		},
		{
			name:    "token revoke",
			operand: "ID",
			summary: "end a personal access token",
			help: `Ends a personal access token by its id, which roundhouse token list shows, while
the server runs.

With the --sentry-url and the application of the server, the Sentry token behind
one that was made at /account is revoked, too. One that was made on the command
line stands for a Sentry token that its user brought, which stays.`,
			settings: join(shared, sentrySettings, []string{"store", "sentry-client-id", "sentry-client-secret", "sentry-revoke-url"}),
			check:    checkTokenRevoke,
			run:      tokenRevoke,
		},
		{
			name:    "audit",
			summary: "print who registered, signed in, allowed, refreshed, revoked or was refused",
			help: `Prints the audit record of the data directory, oldest first, as lines of JSON:

  {"time":"…","kind":"grant","outcome":"ok","client":"…","user":"1001","grant":"…","source":"192.0.2.1","context":"…"}

It holds no secret, and is kept for 180 days. For example, what was refused today:

  roundhouse audit --since 24h | jq 'select(.kind == "refusal")'`,
			settings: join(shared, []string{"store", "since", "user"}),
			check:    checkAudit,
			run:      audit,
		},
		{
			name:    "keys rotate",
			summary: "seal Sentry's tokens with a new key, while the server runs",
			help: `Makes a new key in the key file, roundhouse.key in the data directory, seals with
it what the store holds, and drops the old one. Servers that use the same file go
on; nobody is signed out, but whoever is signing in at that moment starts again.
If it is interrupted, run it again: it goes on where it was.

Run it when somebody may have copied the key file, or once in a while. Back up the
key file afterwards, apart from the store: either is of no use without the other.
Servers on several machines need the same file: put the directory on a volume that
they share, or stop all but one and copy the file to the others afterwards.`,
			settings: join(shared, []string{"store"}),
			check:    (*config).checkStore,
			run:      keysRotate,
		},
		{
			name:    "keys list",
			summary: "list the keys, and how many sign-ins are sealed with each",
			help: `Lists the keys of the key file by their ids, which are no secret. One that opens
only is left from a rotation that did not end: run keys rotate again.`,
			settings: join(shared, []string{"store"}),
			check:    (*config).checkStore,
			run:      keysList,
		},
		{
			name:    "sandbox serve",
			summary: "serve the sandbox alone, as a Sentry of its own",
			help: `Serves the Sentry-compatible sandbox without Roundhouse in front. Whoever reaches
it can sign in as anybody, so it listens on loopback addresses only.`,
			settings: join(shared, []string{"addr", "empty", "scale", "age", "faults", "control"}),
			check:    checkSandboxServe,
			run:      sandboxServe,
		},
		{
			name:    "sandbox app",
			summary: "register an OAuth application in the sandbox and print its id and secret",
			help: `Registers an application by its name, or gives an existing one a new secret, and
prints both in the form of environment variables. The secret is not kept.`,
			settings: join(shared, []string{"name", "redirect-uri"}),
			check:    checkSandboxApp,
			run:      sandboxApp,
		},
		{
			name:     "sandbox token",
			summary:  "make a user token in the sandbox and print it",
			help:     "Makes a token with which the sandbox's API can be called as one of its users. The\ntoken is not kept.",
			settings: join(shared, []string{"sandbox-user", "skills", "scopes"}),
			check:    checkSandboxToken,
			run:      sandboxToken,
		},
		{
			name:    "sandbox dsn",
			operand: "[ORG/PROJECT]",
			summary: "print where SDKs send to",
			help: `Prints the DSN of a project, or of every project with its name before it.

  roundhouse sandbox dsn acme-outdoors/my-app
  roundhouse sandbox dsn --sdk python     for my-app, with three lines to run`,
			settings: join(shared, []string{"sdk", "sandbox-url"}),
			check:    checkSandboxDSN,
			run:      sandboxDSN,
		},
		{
			name:    "sandbox reset",
			summary: "delete the sandbox; the next start makes a new one",
			help: `Says what the sandbox holds, asks, and deletes it. It touches nothing but the
sandbox, and not that while a server has it open.`,
			settings: join(shared, []string{"yes"}),
			run:      sandboxReset,
		},
		{
			name:    "version",
			summary: "print the version",
			help:    "Prints the version.",
			run: func(_ context.Context, _ *config, s streams) error {
				_, err := fmt.Fprintln(s.out, "roundhouse", version())
				return err
			},
		},
	}
	return slices.Insert(all, len(all)-1, loadCommands()...)
}

func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// pick finds the command that args begin with and returns the rest. No command
// before the first flag means the first of them; nil means that there is none
// of that name, and args are returned as they were.
func pick(args []string) (*command, []string) {
	all := commands()
	words := 0
	for words < len(args) && !strings.HasPrefix(args[words], "-") {
		words++
	}
	switch {
	case len(args) > 0 && isHelp(args[0]), len(args) == 1 && args[0] == "help":
		return overview(all), nil
	case words == 0:
		return all[0], args
	case args[0] == "help": // help COMMAND is COMMAND --help
		c, rest := pick(args[1:])
		if c == nil || len(rest) > 0 {
			return nil, args[1:]
		}
		return c, []string{"--help"}
	}
	for n := words; n > 0; n-- {
		name := strings.Join(args[:n], " ")
		for _, c := range all {
			if c.name == name {
				return c, args[n:]
			}
		}
	}
	group := func(c *command) bool { return strings.HasPrefix(c.name, args[0]+" ") }
	if words == 1 && slices.ContainsFunc(all, group) { // "sandbox" alone
		return overview(slices.DeleteFunc(all, func(c *command) bool { return !group(c) })), nil
	}
	return nil, args
}

// unknownCommand names what was typed, and what there is that begins so.
func unknownCommand(args []string) error {
	var others []string
	for _, c := range commands() {
		if strings.HasPrefix(c.name, args[0]+" ") {
			others = append(others, c.name)
		}
	}
	if len(others) == 0 {
		return fmt.Errorf("unknown command %q; roundhouse help lists them", args[0])
	}
	return fmt.Errorf("unknown command %q; there is %s", strings.Join(args[:min(2, len(args))], " "), strings.Join(others, ", "))
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// overview is the command that lists some, and tells about the first.
func overview(listed []*command) *command {
	return &command{
		name: "help",
		run: func(_ context.Context, _ *config, s streams) error {
			fmt.Fprint(s.out, "roundhouse serves MCP for Sentry: one URL per organization or project.\n\nUsage: roundhouse [command] [flags]\n\nCommands:\n")
			for _, c := range listed {
				fmt.Fprintf(s.out, "  %-14s %s\n", c.name, c.summary)
			}
			fmt.Fprint(s.out, "\nroundhouse COMMAND --help tells more. The first of them:\n\n")
			return printHelp(s.out, listed[0])
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
