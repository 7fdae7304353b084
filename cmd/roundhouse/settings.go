package main

import (
	"flag"
	"strings"
	"time"

	"roundhouse/actors"
	"roundhouse/sandbox"
	"roundhouse/tools"
)

// config is what flags, environment and file say. A command fills only the
// settings that it names.
type config struct {
	File      string
	Addr      string
	Data      string
	usualData string // where the data goes when nobody says
	Store     string
	PublicURL string

	SentryURL          string
	SentryClientID     string
	SentryClientSecret string
	SentryToken        string
	SentryCAFile       string
	SentryRevokeURL    string

	SentryBearer string

	AdminEmails string
	AdminRoles  string

	AllowedOrigins  string
	ClientDocuments string
	GlamaClaim      string
	StepUp          string
	Confirm         string
	TrustedProxies  string
	Idle            time.Duration
	SessionIdle     time.Duration
	MaxContexts     int
	Drain           time.Duration
	MetricsAddr     string

	LogLevel  string
	LogFormat string

	Org         string
	Project     string
	Skills      string
	SandboxUser string
	Name        string
	RedirectURI string
	Age         string
	Faults      string
	Control     bool
	Operand     string // what is not a flag
	Operands    []string
	Empty       bool
	Scale       string
	Yes         bool
	SDK         string
	SandboxURL  string
	Scopes      string
	TokenName   string
	Expires     string
	User        string
	Since       string

	load loadConfig

	tune func(*actors.Config) // a test's own catalog and limits; nil outside tests
}

const (
	defaultAddr       = "127.0.0.1:8080"
	defaultSandboxURL = "http://" + defaultAddr + sandboxPath
)

// settings are all there are, so that one file can serve several commands.
var settings = withLoad(map[string]func(*flag.FlagSet, *config){
	"config": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.File, "config", "", "`file` with lines \"name = value\"; names as the flags")
	},
	"addr": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Addr, "addr", defaultAddr, "`address` to listen on; port 0 picks a free one")
	},
	"data": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Data, "data", "", "`directory` for the databases and the key file (default $XDG_DATA_HOME/roundhouse, or ~/.local/share/roundhouse)")
	},
	"store": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Store, "store", "", "`where` clients, grants and tokens are kept: a file, or a URL such as postgres://user:password@host/roundhouse, which is better given by environment or file (default roundhouse.db in the data directory)")
	},
	"public-url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.PublicURL, "public-url", "", "`URL` at which clients reach this server, without a path (default http://ADDR)")
	},
	"sentry-url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryURL, "sentry-url", "", "`URL` of the Sentry to use, sub-path included (default: the embedded sandbox)")
	},
	"sentry-ca-file": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryCAFile, "sentry-ca-file", "", "PEM `file` with the CA of that Sentry, beside the system's")
	},
	"sentry-client-id": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryClientID, "sentry-client-id", "", "client `id` of the OAuth application in that Sentry")
	},
	"sentry-client-secret": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryClientSecret, "sentry-client-secret", "", "its `secret`; better given by environment or file, other users can see flags")
	},
	"sentry-token": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryToken, "sentry-token", "", "user auth `token` for that Sentry; better given by environment or file")
	},
	"sentry-revoke-url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryRevokeURL, "sentry-revoke-url", "", "`URL` where that Sentry revokes OAuth tokens, or off (default {sentry-url}/oauth/revoke/, unless that is not found)")
	},
	"sentry-bearer": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SentryBearer, "sentry-bearer", tools.Inspect, "comma-separated `skills` of \"Authorization: Sentry-Bearer TOKEN\", with a token made in Sentry, where Sentry does not tell its scopes; off refuses such tokens")
	},
	"admin-emails": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.AdminEmails, "admin-emails", "", "comma-separated `e-mails` of users who see and revoke everybody's sign-ins at /account; one that Sentry says is not verified does not count")
	},
	"admin-roles": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.AdminRoles, "admin-roles", "", "comma-separated `organization=role` pairs, such as acme=owner: whoever has that role in Sentry does, too")
	},
	"allowed-origins": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.AllowedOrigins, "allowed-origins", "", "comma-separated `origins` of browser-based clients, beside the public URL's")
	},
	"trusted-proxies": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.TrustedProxies, "trusted-proxies", "", "comma-separated `addresses` or networks of the proxies in front, whose X-Forwarded-For is believed; limits count what is behind them")
	},
	"client-documents": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.ClientDocuments, "client-documents", "", "`on` lets apps in whose id is the https URL of a document about them, which is fetched from the internet; off makes every app register (default on with --sentry-url, else off)")
	},
	"glama-claim": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.GlamaClaim, "glama-claim", "", "`claim` that the directory Glama asks for, to be shown at /.well-known/glama.json")
	},
	"step-up": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.StepUp, "step-up", "on", "`on` answers a call outside a sign-in's skills with what to sign in for (403 insufficient_scope); off hides such tools: they are answered like ones that do not exist")
	},
	"confirm": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Confirm, "confirm", "able", "`when` the user is asked before a tool changes something: able, where the client can ask; always, and elsewhere such tools are refused; never")
	},
	"idle": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.Idle, "idle", 15*time.Minute, "`time` without a request after which a context leaves memory")
	},
	"session-idle": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.SessionIdle, "session-idle", 30*time.Minute, "`time` without a request or stream after which the session of a client from before 2026-07-28 ends")
	},
	"max-contexts": func(fs *flag.FlagSet, c *config) {
		fs.IntVar(&c.MaxContexts, "max-contexts", 100_000, "`number` of contexts in memory; one more is refused until one has left")
	},
	"metrics-addr": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.MetricsAddr, "metrics-addr", "", "`address` for operators, such as 127.0.0.1:9464: /metrics for Prometheus, and /debug/pprof/, for whoever reaches it; port 0 picks a free one (default: none)")
	},
	"drain": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.Drain, "drain", 20*time.Second, "the `time` that running calls may take to finish at the end")
	},
	"log-level": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.LogLevel, "log-level", "info", "`level`: debug, info, warn or error")
	},
	"log-format": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.LogFormat, "log-format", "text", "`format`: text or json")
	},
	"org": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Org, "org", "", "organization `slug` to confine the context to")
	},
	"project": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Project, "project", "", "project `slug` to confine the context to; needs --org")
	},
	"skills": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Skills, "skills", tools.Inspect, "comma-separated `skills`: "+strings.Join(skillIDs(), ", "))
	},
	"sandbox-user": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SandboxUser, "sandbox-user", "mara@example.test", "`e-mail` of the sandbox's user to act as")
	},
	"name": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Name, "name", "roundhouse", "`name` of the application")
	},
	"token-name": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.TokenName, "token-name", "made on the command line", "`name` by which its user finds the token at /account")
	},
	"expires": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Expires, "expires", "30d", "`time` that the token lives, such as 12h or 90d; at most 365d")
	},
	"user": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.User, "user", "", "only what is of the user with this `id` in Sentry")
	},
	"since": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Since, "since", "", "only what happened since that `time`: 12h or 7d ago, or 2026-01-31")
	},
	"redirect-uri": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.RedirectURI, "redirect-uri", "http://127.0.0.1/oauth/callback", "`URI` where sign-ins return to; on loopback any port matches")
	},
	"age": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Age, "age", "current", "`age` of the Sentry to answer like: current, or old, a self-hosted one that was never updated")
	},
	"faults": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Faults, "faults", "", "JSON `file` that says what goes wrong on purpose, such as {\"rules\":[{\"every\":10,\"status\":503}]}")
	},
	"control": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.Control, "control", false, "let programs on this machine change the faults, at /_sandbox/faults/ and without a token")
	},
	"empty": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.Empty, "empty", false, "a new sandbox begins without its story: people, projects and keys, and no telemetry")
	},
	"scale": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Scale, "scale", "", "`amounts` that the sandbox holds beside its story, such as users=1000,orgs=100,projects=1000,issues=10000; the same each time")
	},
	"yes": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.Yes, "yes", false, "do not ask")
	},
	"sdk": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SDK, "sdk", "", "print three lines that send a first error with this `SDK`: "+strings.Join(sandbox.SDKs, ", "))
	},
	"sandbox-url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.SandboxURL, "sandbox-url", defaultSandboxURL, "`URL` at which the sandbox is reached: with sandbox serve http://ADDR, with serve http://ADDR/sandbox")
	},
	"scopes": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.Scopes, "scopes", "", "comma-separated Sentry `scopes`, such as org:read,event:write, in place of what the skills need")
	},
})
