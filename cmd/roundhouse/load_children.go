package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	childBegins = 2 * time.Minute  // a large sandbox takes its time
	childEnds   = 40 * time.Second // serve drains for 20 s, and writes last things
)

// child is a process of this program that the load command began. Its standard
// error is kept, and shown if it goes wrong.
type child struct {
	name  string
	pid   int
	cmd   *exec.Cmd
	said  *sayings
	ended chan struct{} // closed when it has
	err   error         // of its end; read after ended
}

// begin starts this program with args as a process of its own, and waits until
// its standard error matches all patterns: what they find comes in their order.
// env is what it gets of settings beside its flags, for secrets.
func begin(ctx context.Context, name string, env []string, patterns []string, args ...string) (*child, []string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	c := &child{name: name, said: newSayings(patterns), ended: make(chan struct{})}
	c.cmd = exec.Command(path, args...)
	c.cmd.Env = append(withoutSettings(os.Environ()), env...)
	c.cmd.Stderr = c.said
	apart(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.pid = c.cmd.Process.Pid
	go func() { // ends with the process
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	timer := time.NewTimer(childBegins)
	defer timer.Stop()
	select {
	case <-c.said.found:
		return c, c.said.values(), nil
	case <-c.ended:
		return nil, nil, c.failed("did not start")
	case <-timer.C:
		err = c.failed(fmt.Sprintf("did not start within %s", childBegins))
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, nil, errors.Join(err, c.stop())
}

// withoutSettings drops those of this process: they are not for its children.
func withoutSettings(env []string) (rest []string) {
	for _, e := range env {
		if !strings.HasPrefix(e, envName("")) {
			rest = append(rest, e)
		}
	}
	return rest
}

func (c *child) failed(what string) error {
	return fmt.Errorf("the %s %s; it said:\n%s", c.name, what, strings.TrimSpace(c.said.text()))
}

// stop asks it to end, waits, and is an error if it ended badly.
func (c *child) stop() error {
	select {
	case <-c.ended: // by itself, before anybody asked
		return c.failed(fmt.Sprintf("ended too early (%v)", c.err))
	default:
	}
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		return errors.Join(err, c.cmd.Process.Kill())
	}
	select {
	case <-c.ended:
	case <-time.After(childEnds):
		return errors.Join(c.failed(fmt.Sprintf("did not end within %s", childEnds)), c.cmd.Process.Kill())
	}
	if c.err != nil {
		return c.failed(fmt.Sprintf("ended badly (%v)", c.err))
	}
	return nil
}

// maxSaid is how much is kept of what a child says at last.
const maxSaid = 64 << 10

// sayings are what a child writes, in which patterns are looked for.
type sayings struct {
	found chan struct{} // closed when all patterns are

	mu       sync.Mutex // guards the rest
	kept     []byte
	patterns []*regexp.Regexp
	got      []string
}

func newSayings(patterns []string) *sayings {
	s := &sayings{found: make(chan struct{}), got: make([]string, len(patterns))}
	for _, p := range patterns {
		s.patterns = append(s.patterns, regexp.MustCompile(p))
	}
	return s
}

func (s *sayings) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, b...)
	if s.patterns != nil {
		s.look()
	}
	if extra := len(s.kept) - maxSaid; extra > 0 {
		s.kept = append(s.kept[:0], s.kept[extra:]...)
	}
	return len(b), nil
}

// look searches whole lines only: the end of another may still be to come.
func (s *sayings) look() {
	whole := string(s.kept[:strings.LastIndexByte(string(s.kept), '\n')+1])
	for i, p := range s.patterns {
		m := p.FindStringSubmatch(whole)
		if m == nil {
			return
		}
		s.got[i] = m[1]
	}
	s.patterns = nil
	close(s.found)
}

func (s *sayings) values() []string { return s.got }

func (s *sayings) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.kept)
}
