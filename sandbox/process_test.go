package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// servedFile names the database that the test binary serves instead of testing.
const servedFile = "SANDBOX_TEST_SERVE"

func TestMain(m *testing.M) {
	if path := os.Getenv(servedFile); path != "" {
		if err := serveFile(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// served is what a sandbox in a process of its own says when it is ready.
type served struct {
	Base, Token string
	Senders     []string // where envelopes go, with the key, of each project
}

// serveFile serves until its standard input ends, as it does when whoever
// started it dies.
func serveFile(path string) error {
	ctx := context.Background()
	defer OwnProcess()()
	sb, err := New(ctx, Options{Path: path, Empty: true})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + ln.Addr().String()
	if err := sb.SetBaseURL(base); err != nil {
		return err
	}
	srv := &http.Server{Handler: sb, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln) // ends with the process
	hello := served{Base: base}
	if hello.Token, err = sb.CreateToken(ctx, mara, reading); err != nil {
		return err
	}
	rows, err := sb.read().Query("SELECT project, public FROM dsn ORDER BY project")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var project int64
		var key string
		if err := rows.Scan(&project, &key); err != nil {
			return err
		}
		hello.Senders = append(hello.Senders, fmt.Sprintf("%s/api/%d/envelope/?sentry_key=%s", base, project, key))
	}
	if err := errors.Join(rows.Err(), rows.Close(), json.NewEncoder(os.Stdout).Encode(hello)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// process is a sandbox in a process of its own.
type process struct {
	served
	cmd *exec.Cmd
}

func startProcess(t testing.TB, path string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), servedFile+"="+path)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = p.cmd.StdinPipe(); err != nil { // open as long as we live
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.served)
	}
	if err != nil {
		t.Fatalf("the process said %q: %v", line, err)
	}
	return p
}

// kill is SIGKILL: nothing is flushed, closed or said.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// send posts the numbered envelope and tells whether it was acknowledged.
func (p *process) send(client *http.Client, n int) error {
	resp, err := client.Post(p.sender(n), "", strings.NewReader(sent(n, time.Now())))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("envelope %d: %s %s", n, resp.Status, body)
	}
	return nil
}
