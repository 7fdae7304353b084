package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ask sends a request on a connection of its own and returns the status and the
// start of the body.
func ask(t *testing.T, method, url, body string) (status int, answer string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
	return resp.StatusCode, string(raw), err
}

// TestSandboxServe_faults lets the sandbox fail by file, then by request.
func TestSandboxServe_faults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "faults.json")
	if err := os.WriteFile(file, []byte(`{"seed":1,"rules":[{"pattern":"/api/0/","every":2,"status":503}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	url := startProcess(t, `URL\s+(\S+)`, "sandbox", "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir(),
		"--age", "old", "--faults", file, "--control")
	for _, want := range []int{401, 503, 401, 503} {
		if status, answer, err := ask(t, "GET", url+"/api/0/auth/", ""); status != want {
			t.Errorf("every second: %d, want %d: %s %v", status, want, answer, err)
		}
	}
	const drop = `{"rules":[{"pattern":"/api/0/","drop":true}]}`
	if status, answer, err := ask(t, "PUT", url+"/_sandbox/faults/", drop); status != http.StatusOK || !strings.Contains(answer, `"drop":true`) {
		t.Errorf("PUT = %d %s %v", status, answer, err)
	}
	if status, answer, err := ask(t, "GET", url+"/api/0/auth/", ""); !errors.Is(err, io.EOF) {
		t.Errorf("dropped: %d %s %v", status, answer, err)
	}
	if status, answer, err := ask(t, "DELETE", url+"/_sandbox/faults/", ""); status != http.StatusOK {
		t.Errorf("DELETE = %d %s %v", status, answer, err)
	}
	if status, answer, err := ask(t, "GET", url+"/api/0/users/me/regions/", ""); status != http.StatusNotFound {
		t.Errorf("an old Sentry has regions: %d %s %v", status, answer, err)
	}
}

// TestSandboxServe_noControl: without the flag the path is not there, and the
// embedded sandbox never has it.
func TestSandboxServe_noControl(t *testing.T) {
	alone := startProcess(t, `URL\s+(\S+)`, "sandbox", "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir())
	embedded := startProcess(t, `MCP client\s+(\S+)/mcp`, "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir())
	for _, url := range []string{alone, embedded, embedded + "/sandbox"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if status, answer, err := ask(t, method, url+"/_sandbox/faults/", `{}`); status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
				t.Errorf("%s at %s = %d %s %v", method, url, status, answer, err)
			}
		}
	}
}

// TestOldSentryURL is a sign-in and a question to a Sentry without regions.
func TestOldSentryURL(t *testing.T) {
	r := start(t, t.TempDir(), startSandbox(t, "--age", "old"))
	checkEveryContext(t, r, r.login(mara, "", "inspect", "triage"))
}
