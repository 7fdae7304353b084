package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// suites are the versions of the conformance suite and what is run of each, at
// a context of its own each: the scenarios change lists, and one must not see
// another's changes. A run takes the scenarios that are not scored along.
var suites = []struct {
	name, program, place string
	args                 []string
	scenarios            int // at least so many, so that a run of nothing does not pass
}{
	{"2026-07-28", conformance, "", []string{"--requirements", "2026-07-28"}, 50},
	{"2025-11-25", conformance, "/acme-outdoors", []string{"--requirements", "2025-11-25"}, 33},
	{"before 2026", "node_modules/conformance-0.1/dist/index.js", "/globex-labs/collector", []string{"--suite", "all"}, 32},
}

// TestConformance runs the official conformance suite against the fixtures.
func TestConformance(t *testing.T) {
	needsConformance(t)
	var places []string
	for _, suite := range suites {
		places = append(places, suite.place)
	}
	urls := startSuite(t, places...)
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			said, err := nodeCommand(t, append([]string{suite.program, "server", "--url", urls[suite.place], "-o", out}, suite.args...)...).CombinedOutput()
			found := readChecks(t, out)
			t.Logf("%d scenarios, %d checks passed, %d skipped", found.scenarios, found.passed, found.skipped)
			for _, problem := range found.problems {
				t.Error(problem)
			}
			if err != nil && len(found.problems) == 0 || found.scenarios < suite.scenarios {
				t.Errorf("%v, after %d scenarios, want %d:\n%.3000s", err, found.scenarios, suite.scenarios, said)
			}
		})
	}
}

// TestConformance_repeatedly runs the scenarios that count notifications again
// and again: one that is lost now and then is lost.
func TestConformance_repeatedly(t *testing.T) {
	needsConformance(t)
	url := startSuite(t, "")[""]
	const times = 20
	for _, c := range []struct{ scenario, version string }{
		{"tools-call-with-logging", "2025-11-25"}, // the later version has it no more
		{"tools-call-with-progress", "2025-11-25"},
		{"tools-call-with-progress", "2026-07-28"},
	} {
		t.Run(c.scenario+" "+c.version, func(t *testing.T) {
			t.Parallel()
			failed := 0
			for range times {
				run := nodeCommand(t, conformance, "server", "--url", url, "--scenario", c.scenario, "--spec-version", c.version)
				if said, err := run.CombinedOutput(); err != nil {
					failed++
					t.Logf("%v:\n%.1500s", err, said)
				}
			}
			if failed > 0 {
				t.Errorf("%d of %d runs failed", failed, times)
			}
		})
	}
}

func needsConformance(t *testing.T) {
	t.Helper()
	if os.Getenv("ROUNDHOUSE_CONFORMANCE") == "" {
		t.Skip("needs Node and the conformance suite from npm: .ci/conformance installs them and runs this test")
	}
}

// startSuite starts the program with the fixtures, and returns the addresses by
// which the suite reaches its places: the suite can send no header.
func startSuite(t *testing.T, places ...string) (urls map[string]string) {
	t.Helper()
	urls = map[string]string{}
	proxies := map[string]*httptest.Server{}
	var origins []string
	for _, place := range places {
		proxies[place] = httptest.NewUnstartedServer(nil) // listens already
		urls[place] = "http://" + proxies[place].Listener.Addr().String()
		origins = append(origins, urls[place])
	}
	r := startTuned(t, fixtures, "--log-level", "warn", "--allowed-origins", strings.Join(origins, ","))
	token := r.login(mara, "").token(t)
	for place, proxy := range proxies {
		proxy.Config.Handler = signedIn(t, r.url+"/mcp"+place, token)
		proxy.Start()
		t.Cleanup(proxy.Close)
	}
	return urls
}

// signedIn passes all requests on to target with a token, and their Host and
// Origin as they are.
func signedIn(t *testing.T, target, token string) http.Handler {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, // streams
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.Path = u.Scheme, u.Host, u.Path
			r.Out.Host = r.In.Host
			r.Out.Header.Set("Authorization", "Bearer "+token)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An answer can begin before the proxy has seen the end of the body;
		// net/http would close the body then, and the proxy its connection.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})
}

// findings are what the suite wrote down of a run.
type findings struct {
	scenarios, passed, skipped int
	problems                   []string // failures and warnings
}

// runDate is what the suite adds to the name of a scenario.
var runDate = regexp.MustCompile(`-\d{4}-\d\d-\d\dT.*$`)

// readChecks reads the checks.json of every scenario below dir.
func readChecks(t *testing.T, dir string) (f findings) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var checks []struct{ ID, Status, ErrorMessage string }
		if err := json.Unmarshal(raw, &checks); err != nil {
			t.Fatal(err)
		}
		f.scenarios++
		for _, c := range checks {
			switch c.Status {
			case "SUCCESS":
				f.passed++
			case "SKIPPED":
				f.skipped++
			case "FAILURE", "WARNING":
				f.problems = append(f.problems, fmt.Sprintf("%s: %s: %s: %s", runDate.ReplaceAllString(filepath.Base(filepath.Dir(path)), ""), c.ID, c.Status, c.ErrorMessage))
			}
		}
	}
	return f
}
