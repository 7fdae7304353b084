// Command judge lets the official Sentry MCP server, from npm as it comes, work
// against a fresh sandbox, and tells what did not go well: tools that answered
// with an error or without what they were asked for, and requests of that server
// that the sandbox refused, since it passes over some of those in silence.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/sandbox"
)

// enough is how many different tools have to do their work.
const enough = 30

// scopes are what the official server itself would ask for, and a bit for
// alert rules.
var scopes = []string{"org:read", "project:write", "team:write", "event:write", "alerts:write"}

func main() {
	node := flag.String("node", "24.21.0", "version of Node")
	version := flag.String("server", "0.39.0", "version of @sentry/mcp-server")
	only := flag.String("only", "", "call only tools whose name contains this")
	verbose := flag.Bool("v", false, "print answers, and what the server says on stderr")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, "Usage: go run ./.ci/judge [flags]\n\nRuns the official Sentry MCP server against a fresh sandbox and judges the answers.\n"+
			"npx installs the server and Node below ~/.npm; nothing of it is kept here.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	j := &judge{node: *node, version: *version, only: *only, verbose: *verbose, out: os.Stdout}
	if err := j.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

// judge is one run.
type judge struct {
	node, version, only string
	verbose             bool
	out                 io.Writer

	log    requestLog
	facts  *facts
	server *client.Client
}

func (j *judge) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	sb, err := sandbox.New(ctx, sandbox.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	defer sb.Close()
	web := httptest.NewServer(j.log.record(sb))
	defer web.Close()
	if err := sb.SetBaseURL(web.URL); err != nil {
		return err
	}
	token, err := sb.CreateToken(ctx, "mara@example.test", scopes)
	if err != nil {
		return err
	}
	j.facts = newFacts(sb, token)
	if j.server, err = j.start(ctx, strings.TrimPrefix(web.URL, "http://"), token); err != nil {
		return err
	}
	defer j.server.Close()
	return j.hear(ctx)
}

// start runs the server on stdio.
func (j *judge) start(ctx context.Context, host, token string) (*client.Client, error) {
	fmt.Fprintf(j.out, "@sentry/mcp-server %s on Node %s, installed by npx where it is missing\n", j.version, j.node)
	stderr := io.Discard
	if j.verbose {
		stderr = os.Stderr
	}
	npx := []string{"--yes", "--package=node@" + j.node, "--package=@sentry/mcp-server@" + j.version,
		"--", "sentry-mcp", "--host=" + host, "--insecure-http", "--access-token=" + token}
	c := client.NewClient(transport.NewStdioWithOptions("npx", environment(), npx, transport.WithCommandStderrWriter(stderr)))
	if err := c.Start(ctx); err != nil {
		return nil, fmt.Errorf("start npx: %w", err)
	}
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = "2025-11-25"
	hello.Params.ClientInfo = mcp.Implementation{Name: "judge", Version: "1"}
	if _, err := c.Initialize(ctx, hello); err != nil {
		return nil, errors.Join(fmt.Errorf("initialize: %w (-v shows what the server says)", err), c.Close())
	}
	return c, nil
}

// environment empties what would let the server use a model or report home.
func environment() (empty []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasSuffix(name, "_API_KEY") || strings.HasPrefix(name, "SENTRY_") {
			empty = append(empty, name+"=")
		}
	}
	return empty
}

// hear makes all calls and judges them.
func (j *judge) hear(ctx context.Context) error {
	known, err := j.catalog(ctx)
	if err != nil {
		return err
	}
	var r report
	for _, c := range calls {
		if strings.Contains(c.tool, j.only) {
			fmt.Fprintf(os.Stderr, "%s\n", c.tool)
			r.add(c, j.call(ctx, c))
		}
	}
	refused := j.log.refused()
	r.write(j.out, refused)
	if j.only != "" {
		return nil
	}
	r.writeMissing(j.out, known)
	return r.verdict(len(refused))
}

// catalog lists the tools: those in tools/list, and those that the server finds
// when it is asked with the words that tools begin with.
func (j *judge) catalog(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	listed, err := j.server.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return nil, fmt.Errorf("tools/list: %w", err)
	}
	for _, t := range listed.Tools {
		known[t.Name] = true
	}
	fmt.Fprintf(j.out, "tools/list: %d tools\n", len(known))
	for _, word := range []string{"find", "get", "search", "create", "update", "add", "remove", "delete", "analyze", "whoami", "onboarding"} {
		a := j.ask(ctx, "search_sentry_tools", map[string]any{"query": word, "limit": 20})
		if a.wrong != "" {
			return nil, fmt.Errorf("search_sentry_tools for %q: %s", word, a.wrong)
		}
		found, _ := at(a.structured, "results").([]any)
		for _, one := range found {
			if name, ok := at(one, "name").(string); ok {
				known[name] = true
			}
		}
	}
	fmt.Fprintf(j.out, "in the catalog: %d tools\n", len(known))
	return known, nil
}

// direct are the tools that are called as they are; the rest goes through the
// gateway.
var direct = map[string]bool{"search_sentry_tools": true}

func (j *judge) call(ctx context.Context, c call) answer {
	args, err := j.facts.arguments(ctx, c.args)
	if err != nil {
		return answer{wrong: "not called: " + err.Error()}
	}
	name, given := c.tool, args
	if !direct[name] {
		name, given = "execute_sentry_tool", map[string]any{"name": c.tool, "arguments": args}
	}
	a := j.ask(ctx, name, given)
	if j.verbose {
		fmt.Fprintf(j.out, "---- %s %v\n%s\n", c.tool, args, a.text)
	}
	if a.wrong != "" {
		return a
	}
	for fact, where := range c.learn {
		v, ok := at(a.structured, where).(string)
		if !ok {
			a.wrong = fmt.Sprintf("the answer has no %s", where)
			return a
		}
		j.facts.known[fact] = v
	}
	want, err := j.facts.expand(ctx, c.want)
	if err != nil {
		a.wrong = err.Error()
	} else if !strings.Contains(a.text, want) {
		a.wrong = fmt.Sprintf("%q is not in the answer", want)
	}
	return a
}

// answer is what a tool said.
type answer struct {
	text, wrong string // wrong: what is not as it should be, or ""
	structured  any
	took        time.Duration
}

func (j *judge) ask(ctx context.Context, tool string, args map[string]any) answer {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, args
	began := time.Now()
	res, err := j.server.CallTool(ctx, req)
	a := answer{took: time.Since(began)}
	if err != nil {
		a.wrong = err.Error()
		return a
	}
	var b strings.Builder
	for _, part := range res.Content {
		switch part := part.(type) {
		case mcp.TextContent:
			b.WriteString(part.Text + "\n")
		case mcp.ImageContent:
			b.WriteString(part.MIMEType + "\n")
		}
	}
	a.text, a.structured = b.String(), res.StructuredContent
	if res.IsError {
		a.wrong = strings.Join(strings.Fields(a.text), " ")
	}
	return a
}
