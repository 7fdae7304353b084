// Package roundhouse holds the architecture as a test; the code is in the
// folders.
package roundhouse

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports is the table of docs/decisions/0001: which of our packages each may
// import. A package that is not in it may not exist; adding one is an edit that
// a reviewer sees.
var imports = map[string][]string{
	"constraint":      nil,
	"jsonrpc":         nil,
	"sentry":          nil,
	"oauth":           {"oauth/cimd"},
	"oauth/cimd":      nil,
	"oauth/oauthtest": {"oauth"},
	"sandbox":         {"sandbox/payload", "sandbox/query", "sandbox/seed"},
	"sandbox/payload": nil,
	"sandbox/query":   nil,
	"sandbox/seed":    nil,
	"task":            {"constraint"},
	"task/tasktest":   {"constraint", "task"},
	"watch":           nil,
	"tools":           {"constraint", "sentry", "watch"},
	"transport":       {"constraint", "jsonrpc", "task", "watch"},
	"actors":          {"constraint", "jsonrpc", "transport"},
	"metrics":         nil,
	"router":          {"constraint", "jsonrpc"},
	"load":            {"load/client", "load/login", "load/measure", "load/pace", "load/scenario", "sandbox"}, // the sandbox's marks
	"load/client":     nil,
	"load/compare":    {"load/client", "load/measure", "load/pace"},
	"load/login":      nil,
	"load/measure":    nil,
	"load/pace":       {"load/measure"},
	"load/report":     {"load/measure"},
	"load/rival":      {"constraint", "sentry", "tools"}, // what other designs serve is our catalog
	"load/scenario":   nil,
	"load/scrape":     {"load/measure"},
	"cmd/roundhouse":  {"constraint", "load", "load/client", "load/compare", "load/login", "load/measure", "load/pace", "load/report", "load/rival", "load/scenario", "load/scrape", "sentry", "oauth", "oauth/cimd", "sandbox", "task", "tools", "transport", "actors", "metrics", "router", "watch"},
}

// testImports is what tests may import beyond that: the sandbox is the Sentry
// of every test.
var testImports = map[string][]string{
	"actors": {"router", "sentry", "tools"},               // all that is behind a URL, to be fuzzed
	"oauth":  {"oauth/oauthtest", "constraint", "router"}, // the ledger has requirements of both
	"sentry": {"sandbox"},
	"task":   {"task/tasktest", "oauth"}, // which opens the database that both are in
	"tools":  {"sandbox"},

	"load/rival": {"sandbox", "transport"}, // ours, to be compared with

	"transport": {"task/tasktest"},
}

// confined are the modules that only some packages may know.
var confined = map[string][]string{
	"github.com/HdrHistogram":           {"load/measure"},
	"github.com/asynkron/protoactor-go": {"actors"},
	"github.com/goccy/go-yaml":          {"load/scenario"},
	"github.com/gorilla/mux":            {"router"},
	"github.com/jackc/pgx":              {"oauth"},
	"github.com/mark3labs/mcp-go":       {"transport", "actors", "tools", "load/rival", "cmd/roundhouse"},
	"github.com/prometheus":             {"metrics", "load/scrape", "cmd/roundhouse"}, // the latter two read what the first writes
	"golang.org/x/oauth2":               {"oauth", "cmd/roundhouse", "load/login"},
	"go.opentelemetry.io/proto/otlp":    {"sandbox", "sandbox/payload"},
	"gonum.org/v1/plot":                 {"load/report"},
	"modernc.org/sqlite":                {"oauth", "sandbox", "sandbox/query"},
}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestImports(t *testing.T) {
	seen := map[string]bool{"": true} // this package
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "roundhouse"), "/")
		if name == "" {
			continue
		}
		seen[name] = true
		allowed, ok := imports[name]
		if !ok {
			t.Errorf("package %s is not in the table", name)
			continue
		}
		for _, path := range p.Imports {
			check(t, name, path, allowed)
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			check(t, name, path, slices.Concat(allowed, testImports[name], []string{name}))
		}
	}
	for name := range imports {
		if !seen[name] {
			t.Errorf("package %s is in the table and does not exist", name)
		}
	}
}

func check(t *testing.T, name, path string, allowed []string) {
	t.Helper()
	if ours, ok := strings.CutPrefix(path, "roundhouse/"); ok {
		if !slices.Contains(allowed, ours) {
			t.Errorf("%s imports %s, which the table does not allow", name, ours)
		}
		return
	}
	for module, users := range confined {
		if (path == module || strings.HasPrefix(path, module+"/")) && !slices.Contains(users, name) {
			t.Errorf("%s imports %s, which only %v may know", name, path, users)
		}
	}
}

// list asks the go command, which knows build tags and test packages.
func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
