package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"roundhouse/load/measure"
	"roundhouse/load/report"
)

// runLoad runs a load command in this process.
func runLoad(t *testing.T, env map[string]string, args ...string) (out string, err error) {
	t.Helper()
	var stdout bytes.Buffer
	err = run(t.Context(), append([]string{"load"}, args...), func(name string) string { return env[name] }, strings.NewReader(""), &stdout, io.Discard)
	return stdout.String(), err
}

// execLoad runs one as a process, whose children are processes of the same
// program.
func execLoad(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	temp := t.TempDir()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), build(t), append([]string{"load"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if t.Failed() || err != nil {
		t.Logf("load %v: %v\n%s", args, err, stderr.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("load %v left %v, %v", args, left, err)
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// TestLoad drives a server of its own, by two workers, and reads what it wrote.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	out, code := execLoad(t, "many-users", "--users", "4", "--contexts", "8", "--rate", "40", "--duration", "2s", "--warmup", "500ms", "--workers", "2", "--json", "--out", dir, "--plots")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	rep, err := measure.Parse([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if rep.Workers != 2 || rep.Users != 4 || rep.Contexts != 8 || rep.Total.Count < 60 || rep.Total.Bad() > 0 || rep.Canaries.Wrong > 0 || rep.Canaries.Checked < 60 {
		t.Errorf("%d workers, %d users, %d contexts, %d calls, %v, canaries %+v", rep.Workers, rep.Users, rep.Contexts, rep.Total.Count, rep.Total.Outcomes, rep.Canaries)
	}
	last := rep.Server[len(rep.Server)-1]
	if last.Contexts < 1 || last.Upstream < 1 || last.Activations < 8 || last.CPU <= 0 || last.HeapInUse <= 0 {
		t.Errorf("the node: %+v", last)
	}
	path := filepath.Join(dir, "report.json")
	if kept, err := measure.Read(path); err != nil || kept.Total.Count != rep.Total.Count {
		t.Errorf("%s: %d calls, %v", path, kept.Total.Count, err)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Errorf("report.html: %d bytes, %v", len(page), err)
	}
	if plot, err := os.ReadFile(filepath.Join(dir, "latency.svg")); err != nil || !bytes.Contains(plot, []byte("<svg")) {
		t.Errorf("latency.svg: %d bytes, %v", len(plot), err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if plots := report.Plots(rep); len(files) != 2+len(plots) {
		t.Errorf("written: %v, want the report, its page and %v", files, plots)
	}
	both := filepath.Join(dir, "both.html")
	out, err = runLoad(t, nil, "diff", "--out", both, path, path)
	if err != nil || !strings.Contains(out, "many-users") {
		t.Errorf("diff: %v\n%s", err, out)
	}
	if page, err := os.ReadFile(both); err != nil || !bytes.Contains(page, []byte("other run")) {
		t.Errorf("both.html: %d bytes, %v", len(page), err)
	}
	if _, err := runLoad(t, nil, "merge", "--out", filepath.Join(dir, "all.json"), path, path); err != nil {
		t.Errorf("merge: %v", err)
	}
	if all, err := measure.Read(filepath.Join(dir, "all.json")); err != nil || all.Total.Count != 2*rep.Total.Count || all.Workers != 4 {
		t.Errorf("merged: %d calls of %d workers, %v", all.Total.Count, all.Workers, err)
	}
}

// TestLoad_Killed loses its server in the middle, and tells what there was.
func TestLoad_Killed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "killed.yaml")
	text := "arrivals: {rate: 20}\nwarmup: 0s\nduration: 1s\ntimeout: 500ms\ncommands: [{after: 500ms, run: [sh, -c, 'kill -9 $ROUNDHOUSE_LOAD_PID']}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := execLoad(t, file, "--json")
	rep, err := measure.Parse([]byte(out))
	if err != nil || code != 1 || rep.Total.Outcomes["ok"] == 0 || rep.Total.Outcomes["lost"] == 0 {
		t.Errorf("exit %d, %v: %v", code, err, rep.Total.Outcomes)
	}
}

// TestLoad_Compare lets one design take its turns, and fails at a floor that
// nothing meets.
func TestLoad_Compare(t *testing.T) {
	out, code := execLoad(t, "--compare", "bare", "--rounds", "1", "--turn", "200ms", "--sentry-delay", "1ms", "--fail", "throughput>=1000", "--json")
	rep, err := measure.Parse([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if code != exitFloor || len(rep.Comparisons) != len(trials["bare"]) {
		t.Fatalf("exit %d, %d comparisons", code, len(rep.Comparisons))
	}
	for _, c := range rep.Comparisons {
		if r := c.Rounds[0]; r.Ours.Throughput <= 0 || r.Theirs.Throughput <= 0 || r.Ours.P99 <= 0 || r.Theirs.CPU <= 0 || r.Ours.Bad+r.Theirs.Bad > 0 {
			t.Errorf("%s: %+v", c.What, r)
		}
	}
}

// TestLoad_Rival drives one of the other designs by --url and a header.
func TestLoad_Rival(t *testing.T) {
	found := startProcess(t, `(?s)MCP client +(\S+\s+Bearer token +\S+)`, "load", "rival", "per-request-shared", "--addr", "127.0.0.1:0")
	words := strings.Fields(found)
	out, err := runLoad(t, map[string]string{"ROUNDHOUSE_HEADER": "Authorization: Bearer " + words[len(words)-1]},
		"one-context", "--url", words[0], "--contexts", "2", "--rate", "20", "--duration", "1s", "--warmup", "0s", "--json", "--quiet", "--era", "modern")
	if err != nil {
		t.Fatal(err)
	}
	rep, err := measure.Parse([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if rep.Total.Count < 15 || rep.Total.Bad() > 0 || strings.Contains(out, words[len(words)-1]) {
		t.Errorf("%d calls, %v %v", rep.Total.Count, rep.Total.Outcomes, rep.Total.Reasons)
	}
}

// TestLoad_URL drives a server that runs already, each time by another way to sign
// in.
func TestLoad_URL(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "").token(t)
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for why, args := range map[string][]string{
		"a browser of its own": {"--sign-in", "sandbox"},
		"a file of tokens":     {"--token-file", tokens},
		"a header":             {"--header", "Authorization: Bearer " + token},
	} {
		args = append([]string{"parallel-agent", "--url", r.url + "/mcp", "--contexts", "3", "--rate", "20", "--duration", "700ms", "--warmup", "0s", "--json", "--quiet"}, args...)
		out, err := runLoad(t, nil, args...)
		if err != nil {
			t.Errorf("%s: %v", why, err)
			continue
		}
		rep, err := measure.Parse([]byte(out))
		if err != nil || rep.Total.Count < 10 || rep.Total.Bad() > 0 || rep.Contexts != 3 || rep.Canaries.Checked < 10 || strings.Contains(out, token) {
			t.Errorf("%s: %v, %d calls, %v %v", why, err, rep.Total.Count, rep.Total.Outcomes, rep.Total.Reasons)
		}
	}
	if err := callWhoami(t.Context(), r.url+"/mcp/acme-outdoors", token); err != nil {
		t.Errorf("a token that was not the run's: %v", err)
	}
}

// pretender is an MCP server whose calls are answered by call.
func pretender(t *testing.T, call http.HandlerFunc) (url string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if req.Method == "tools/list" {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}`, req.ID)
			return
		}
		call(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/mcp"
}

// echoScenario is for such a server.
func echoScenario(t *testing.T, dir string) (file string) {
	file = filepath.Join(dir, "mine.yaml")
	if err := os.WriteFile(file, []byte("name: mine\narrivals: {rate: 20}\nwarmup: 0s\nduration: 500ms\nhandles: 0\ncalls: [{tool: echo}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestLoad_Wrong is told of a wrong answer by the exit and by a file.
func TestLoad_Wrong(t *testing.T) {
	dir := t.TempDir()
	liar := pretender(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":"nobody's","result":{"content":[]}}`)
	})
	_, err := runLoad(t, nil, echoScenario(t, dir), "--url", liar, "--sign-in", "none", "--quiet", "--out", dir)
	if exitCode(err) != exitWrong {
		t.Errorf("exit %d: %v", exitCode(err), err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "wrong-*.txt"))
	if len(files) == 0 {
		t.Fatal("nothing was written out")
	}
	if text, err := os.ReadFile(files[0]); err != nil || !bytes.Contains(text, []byte("nobody's")) {
		t.Errorf("%s: %v", text, err)
	}
}

// TestLoad_MaxBad drives what turns everybody away.
func TestLoad_MaxBad(t *testing.T) {
	away := pretender(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for bad, want := range map[string]int{"1": 0, "0.5": exitFloor} {
		_, err := runLoad(t, nil, echoScenario(t, t.TempDir()), "--url", away, "--sign-in", "none", "--quiet", "--max-bad", bad)
		if exitCode(err) != want {
			t.Errorf("--max-bad %s: exit %d, want %d: %v", bad, exitCode(err), want, err)
		}
	}
}

// TestLoad_Refused lists what load does not do, and why.
func TestLoad_Refused(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("name: bad\nusers: many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		env  map[string]string
		says string
	}{
		{args: "nothing-like-it", says: "load --list"},
		{args: bad, says: bad + ":2:8"},
		{args: "mixed cold", says: `"cold"`},
		{args: "--print nothing", says: `no scenario "nothing"`},
		{args: "--url mcp.example.com", says: "--url"},
		{args: "--url https://ann:secret@mcp.example.com/mcp", says: "--url"},
		{args: "--url https://mcp.example.com/mcp", says: "--yes"},
		{args: "--url http://127.0.0.1:1/mcp --sign-in magic", says: "--sign-in"},
		{args: "--url http://127.0.0.1:1/mcp --sign-in hand --token-file x", says: "--token-file"},
		{args: "--url http://127.0.0.1:1/mcp --token-file " + filepath.Join(dir, "none"), says: "--token-file"},
		{args: "--token-file x", says: "for --url"},
		{args: "--worker 1/2", says: "--url"},
		{args: "--url http://127.0.0.1:1/mcp --worker 3/2", says: "1/4"},
		{args: "--url http://127.0.0.1:1/mcp --worker 1/2 --workers 2", says: "--workers"},
		{args: "--workers 0", says: "--workers"},
		{args: "find-the-limit --workers 2", says: "leave --workers out"},
		{args: "slow-sentry --url http://127.0.0.1:1/mcp", says: "--faults-url"},
		{args: "--out " + bad, says: "--out"},
		{args: "--scale users=4", says: "--url"},
		{args: "--warmup -1s", says: "--warmup"},
		{args: "--warmup long", says: "-warmup"},
		{args: "--max-bad 2", says: "--max-bad"},
		{args: "--rate -1", says: "--rate"},
		{args: "--rate 1e9", says: "rate"},
		{args: "--era stone", says: "--era"},
		{args: "--users 5000000", says: "users"},
		{args: "--header secret-without-colon", says: "Name: value"},
		{env: map[string]string{"ROUNDHOUSE_HEADER": "secret-without-colon"}, says: "Name: value"},
		{args: "--header @" + filepath.Join(dir, "none"), says: "--header"},
		{args: "--compare magic", says: "per-request"},
		{args: "--compare all --url http://127.0.0.1:1/mcp", says: "--compare"},
		{args: "--compare all --rounds 0", says: "--rounds"},
		{args: "mixed --plots", says: "--out"},
		{args: "--compare all --trials outer-space", says: "--trials"},
		{args: "--compare bare --trials far --sentry-delay 0", says: "--trials"},
		{args: "--compare all --turn 1ms", says: "--turn"},
		{args: "--fail throughput>=1", says: "--compare"},
		{args: "--compare all --fail fast", says: ">="},
		{args: "--scale users=lots --url http://127.0.0.1:1/mcp", says: "--scale"},
		{args: "diff one.json", says: "two reports"},
		{args: "merge one.json", says: "two reports"},
		{args: "rival", says: "per-request"},
		{args: "rival magic", says: "per-request"},
		{args: "rival bare --addr 0.0.0.0:1", says: "loopback"},
		{args: "rival bare --project web", says: "--org"},
		{args: "rival bare --sentry-url http://127.0.0.1:1", says: "--holders"},
		{args: "rival bare --sentry-url https://sentry.example.com --holders FILE", says: "whoever reaches it"},
	} {
		_, err := runLoad(t, tt.env, strings.Fields(tt.args)...)
		if exitCode(err) != 2 {
			t.Errorf("%q: exit %d, want 2: %v", tt.args, exitCode(err), err)
			continue
		}
		if line := err.Error(); !strings.Contains(line, tt.says) || strings.Contains(line, "secret") || strings.Contains(line, "\n") {
			t.Errorf("%q: says %q, want one line about %s", tt.args, line, tt.says)
		}
	}
	if _, err := runLoad(t, nil, "diff", filepath.Join(dir, "none"), bad); exitCode(err) != 1 {
		t.Errorf("no such report: %v", err)
	}
}

func TestLoad_ListAndPrint(t *testing.T) {
	list, err := runLoad(t, nil, "--list")
	if err != nil || !strings.Contains(list, "\nparallel-agent ") {
		t.Errorf("--list: %v\n%s", err, list)
	}
	text, err := runLoad(t, nil, "--print", "churn")
	if err != nil || !strings.Contains(text, "about:") {
		t.Errorf("--print: %v\n%s", err, text)
	}
}

// TestSayings looks for patterns in lines that come in pieces.
func TestSayings(t *testing.T) {
	s := newSayings([]string{`URL +(\S+)`, `Metrics +(\S+)`})
	for i, piece := range []string{"\n  URL   http://127.0.0.1:80", "81/\nmore\n  Metrics  ", "http://127.0.0.1:9/m", "\n"} {
		select {
		case <-s.found:
			t.Fatalf("found before piece %d", i)
		default:
		}
		if _, err := io.WriteString(s, piece); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-s.found:
	default:
		t.Fatal("not found")
	}
	if got := strings.Join(s.values(), " "); got != "http://127.0.0.1:8081/ http://127.0.0.1:9/m" {
		t.Error(got)
	}
	if _, err := s.Write(bytes.Repeat([]byte("x"), 2*maxSaid)); err != nil || len(s.text()) != maxSaid {
		t.Errorf("%d bytes are kept", len(s.text()))
	}
}
