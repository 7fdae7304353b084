package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// node runs a program of testdata/clients with the Node that is installed
// there, and returns what it prints.
func node(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := nodeCommand(t, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s\n%.2000s", args[0], err, out, stderr.String())
	}
	return out
}

func nodeCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir := filepath.Join("testdata", "clients")
	program, err := filepath.Abs(filepath.Join(dir, "node_modules", "node", "bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	// The Inspector keeps a catalog in the home directory.
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	return cmd
}

func needsClients(t *testing.T) {
	t.Helper()
	if os.Getenv("ROUNDHOUSE_REAL_CLIENTS") == "" {
		t.Skip("needs Node and packages from npm: .ci/clients installs them and runs this test")
	}
}

// TestRealClients lets the TypeScript SDKs and the Inspector work where mcp-go's
// client works in the other tests.
func TestRealClients(t *testing.T) {
	needsClients(t)
	r := start(t, t.TempDir(), nil)
	places := []string{}
	for place := range contexts {
		places = append(places, place)
	}
	slices.Sort(places)

	// Both sign in by themselves, then look at every place in parallel.
	for library, version := range map[string]string{"sdk": "2025-11-25", "client": "2026-07-28"} {
		t.Run(library, func(t *testing.T) {
			var seen map[string]struct {
				Version          string
				Tools, Arguments []string
				Whoami, Issues   string
			}
			if err := json.Unmarshal(node(t, append([]string{"probe.mjs", library, r.url, mara}, places...)...), &seen); err != nil {
				t.Fatal(err)
			}
			for place, projects := range contexts {
				got, ok := seen[place]
				if !ok {
					t.Errorf("nothing seen at /mcp%s", place)
				}
				if got.Version != version {
					t.Errorf("at /mcp%s the client speaks %q, want %s", place, got.Version, version)
				}
				if !strings.Contains(got.Whoami, mara) {
					t.Errorf("at /mcp%s whoami says %s", place, got.Whoami)
				}
				if pinned := strings.Count(place, "/"); slices.Contains(got.Tools, "find_organizations") != (pinned == 0) ||
					slices.Contains(got.Tools, "find_projects") != (pinned < 2) ||
					slices.Contains(got.Arguments, "organizationSlug") != (pinned == 0) {
					t.Errorf("at /mcp%s: tools %v, search_issues takes %v", place, got.Tools, got.Arguments)
				}
				if place == "" { // the probe asks for one organization there
					projects = contexts["/acme-outdoors"]
				}
				checkProjects(t, place, got.Issues, projects)
			}
		})
	}

	t.Run("inspector", func(t *testing.T) {
		token := r.login(mara, "").token(t)
		inspect := func(place string, args ...string) string {
			return string(node(t, append([]string{"node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli",
				r.url + "/mcp" + place, "--transport", "http", "--header", "Authorization: Bearer " + token}, args...)...))
		}
		for place, projects := range contexts {
			if place == "" {
				continue // needs an argument; the SDKs give it
			}
			checkProjects(t, place, inspect(place, "--method", "tools/call", "--tool-name", "search_issues", "--tool-arg", "sort=date"), projects)
		}
		// --strict fails on schemas that some model's provider would refuse.
		if out := inspect("", "--method", "tools/list", "--strict"); !strings.Contains(out, `"find_organizations"`) {
			t.Errorf("tools/list: %.600s", out)
		}
	})
}
