package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"roundhouse/load"
	"roundhouse/load/measure"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// tokenLogin is a login that lasts as long as the test.
type tokenLogin string

func (l tokenLogin) Authorization(context.Context) (string, error) { return "Bearer " + string(l), nil }

// runScenario runs a scenario against a server of the test's, with its users signed
// in already.
func runScenario(t *testing.T, s scenario.Scenario, flags ...string) (measure.Report, *runner) {
	t.Helper()
	scale := sandbox.Scale{Users: s.Users, Orgs: s.Sandbox.Orgs, Projects: s.Sandbox.Projects, Issues: s.Sandbox.Issues}
	r := start(t, t.TempDir(), nil, append(flags, "--scale", fmt.Sprintf("users=%d,orgs=%d,projects=%d,issues=%d", scale.Users, scale.Orgs, scale.Projects, scale.Issues))...)
	var mu sync.Mutex
	cfg := load.Config{Scenario: s, URL: r.url + "/mcp", Scale: &scale, KeepWrong: t.TempDir(), Log: func(line string) { t.Log(line) },
		SignIn: func(_ context.Context, n int) (load.Person, error) {
			mu.Lock() // the browser of the tests is one for all
			defer mu.Unlock()
			email := fmt.Sprintf("user-%d@example.test", n)
			return load.Person{Email: email, Login: tokenLogin(r.login(email, "", "inspect", "triage", "analyze").token(t))}, nil
		},
	}
	rep, err := load.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep, r
}

// TestLoad_mixed: a bit of everything, of which every answer is right.
func TestLoad_mixed(t *testing.T) {
	s, err := scenario.Shipped("mixed")
	if err != nil {
		t.Fatal(err)
	}
	s = s.For(4, 24).Faster(60).Lasting(4 * time.Second)
	s.Handles, s.Warmup.Duration = 0.3, time.Second
	rep, _ := runScenario(t, s)

	c := rep.Canaries
	if c.Wrong > 0 || rep.Total.Outcomes["ok"] != rep.Total.Count || rep.Total.Count < 200 {
		t.Errorf("%d wrong of %d: %v, %v\n%v", c.Wrong, rep.Total.Count, rep.Total.Outcomes, rep.Total.Reasons, c.Exchanges)
	}
	if c.Marked < 30 || c.Tried["session"] == 0 || c.Tried["task"] == 0 || c.Tried["resource"] == 0 {
		t.Errorf("canaries: %+v", c)
	}
	if rep.Streams.Open != 10 {
		t.Errorf("%d of 10 streams are open", rep.Streams.Open)
	}
}

// TestLoad_contextsThatGo: sessions end with their contexts all the time, and
// nobody is answered with what is another's.
func TestLoad_contextsThatGo(t *testing.T) {
	s, err := scenario.Parse("going.yaml", []byte(`
users: 4
contexts: 24
place: mixed
era: both
arrivals: {rate: 16}
warmup: 0
duration: 5s
handles: 0.3
calls:
- tool: whoami
- tool: search_events
  arguments: {dataset: errors, fields: [title, mark], period: 30d}
`))
	if err != nil {
		t.Fatal(err)
	}
	rep, r := runScenario(t, s, "--idle", "1s")
	r.stderr.find("(context passivated)")
	if rep.Canaries.Wrong > 0 || rep.Total.Outcomes["ok"] != rep.Total.Count || rep.Canaries.Tried["session"] == 0 {
		t.Errorf("%v, %v, %+v", rep.Total.Outcomes, rep.Total.Reasons, rep.Canaries)
	}
}
