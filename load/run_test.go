package load

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roundhouse/sandbox"
)

// TestRun_Percentiles: what a server with known latencies is reported to take.
func TestRun_Percentiles(t *testing.T) {
	virtually(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		var took []time.Duration
		f := newFake(0)
		zero := time.Now().Add(2 * time.Second)
		f.answer = func(r *http.Request, n int, result string) (string, int) {
			mu.Lock()
			d := time.Duration(float64(3*time.Millisecond) * math.Exp(1.2*random.NormFloat64()))
			if !time.Now().Before(zero) {
				took = append(took, d)
			}
			mu.Unlock()
			wait(r.Context(), d)
			return result, http.StatusOK
		}
		cfg := f.config(t, "arrivals: {rate: 500}\nwarmup: 2s\nduration: 20s\ncalls: [{method: prompts/list}]")
		rep := mustRun(t, cfg)

		if rep.Total.Count != 10_000 || rep.Total.Outcomes["ok"] != 10_000 {
			t.Fatalf("%d calls, %v", rep.Total.Count, rep.Total.Outcomes)
		}
		slices.Sort(took)
		for _, q := range []float64{0.1, 0.5, 0.9, 0.99, 0.999, 1} {
			want := took[min(int(math.Ceil(q*float64(len(took))))-1, len(took)-1)]
			if got := rep.Total.Latency.Quantile(q); math.Abs(float64(got-want)) > 0.01*float64(want) {
				t.Errorf("p%g is %s, and %s in the report", 100*q, want, got)
			}
		}
	})
}

// TestRun_Stall: for two seconds of twenty a server does not answer. The open
// loop shows it in the p99; the closed loop has hardly noticed.
func TestRun_Stall(t *testing.T) {
	p99 := func(t *testing.T, arrivals string) (found time.Duration) {
		virtually(t, func(t *testing.T) {
			f := newFake(0)
			stall := time.Now().Add(10 * time.Second)
			f.answer = func(r *http.Request, n int, result string) (string, int) {
				wait(r.Context(), 5*time.Millisecond)
				if now := time.Now(); now.After(stall) {
					wait(r.Context(), stall.Add(2*time.Second).Sub(now))
				}
				return result, http.StatusOK
			}
			rep := mustRun(t, f.config(t, "arrivals: "+arrivals+"\nwarmup: 0\nduration: 20s"))
			found = rep.Total.Latency.Quantile(0.99)
		})
		return found
	}
	if open := p99(t, "{rate: 100}"); open < time.Second {
		t.Errorf("the open loop's p99 is %s", open)
	}
	if closed := p99(t, "{closed: 4}"); closed > 10*time.Millisecond {
		t.Errorf("the closed loop's p99 is %s: the stall is no longer one that it hides", closed)
	}
}

const eventsScenario = `
users: 8
contexts: 24
arrivals: {rate: 10000}
warmup: 0
duration: 10s
handles: 0
calls:
- tool: search_events
  arguments: {dataset: errors, fields: [title, mark], period: 30d}
- tool: whoami
`

// swapper exchanges the answers of two requests of different users, once.
type swapper struct {
	after int
	holds string // what the answers have that it swaps

	mu    sync.Mutex
	first chan string // the second's answer, for the first
	given string
	swaps int
}

func (s *swapper) answer(n int, result string) string {
	s.mu.Lock()
	switch {
	case n < s.after || s.swaps > 0 || !strings.Contains(result, s.holds):
	case s.first == nil:
		s.first, s.given = make(chan string, 1), result
		mine := s.first
		s.mu.Unlock()
		return <-mine
	case result != s.given:
		s.swaps++
		s.first <- result
		result = s.given
	}
	s.mu.Unlock()
	return result
}

// TestRun_SwappedAnswers: of 100 000 answers two are swapped, and two of another
// kind. Each has the right id.
func TestRun_SwappedAnswers(t *testing.T) {
	dir := t.TempDir()
	virtually(t, func(t *testing.T) {
		f := newFake(8)
		events, whoami := &swapper{after: 60_000, holds: "mark mk-"}, &swapper{after: 80_000, holds: "@example.test"}
		f.answer = func(r *http.Request, n int, result string) (string, int) {
			return whoami.answer(n, events.answer(n, result)), http.StatusOK
		}
		cfg := f.config(t, eventsScenario)
		cfg.KeepWrong = dir
		rep := mustRun(t, cfg)

		if rep.Total.Count != 100_000 || events.swaps != 1 || whoami.swaps != 1 {
			t.Fatalf("%d calls, %d and %d swaps", rep.Total.Count, events.swaps, whoami.swaps)
		}
		reasons := rep.Total.Reasons
		if rep.Canaries.Wrong != 4 || rep.Total.Outcomes["wrong"] != 4 || reasons["mark of another"] != 2 || reasons["user"]+reasons["place"] != 2 {
			t.Errorf("twice two answers were swapped: %d wrong, %v, %v", rep.Canaries.Wrong, rep.Total.Outcomes, reasons)
		}
		if c := rep.Canaries; c.Checked < 100_000 || c.Marked < 99_990 {
			t.Errorf("of 100 000 answers %d were checked, and %d were marked", c.Checked, c.Marked)
		}
		if len(rep.Canaries.Exchanges) != 4 {
			t.Fatalf("kept are %v", rep.Canaries.Exchanges)
		}
	})
	kept, err := os.ReadFile(dir + "/wrong-01.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(kept), "mark of another") || !strings.Contains(string(kept), `"jsonrpc"`) || strings.Contains(string(kept), "token-of") {
		t.Errorf("what was kept:\n%s", kept)
	}
}

// TestRun_WrongAnswers: each is one answer of a server that is right otherwise.
func TestRun_WrongAnswers(t *testing.T) {
	for _, tt := range []struct {
		what   string
		change func(r *http.Request, result string) string
	}{
		{"id", func(_ *http.Request, result string) string {
			return `{"jsonrpc":"2.0","id":"w0c1-999999","result":` + result + `}`
		}},
		{"id", func(_ *http.Request, result string) string { return `{"jsonrpc":"2.0","id":7,"result":` + result + `}` }},
		{"id", func(_ *http.Request, result string) string {
			return `{"jsonrpc":"2.0","id":null,"result":` + result + `}`
		}},
		{"own mark missing", func(_ *http.Request, result string) string {
			return `{"content":[{"type":"text","text":"No events match."}]}`
		}},
		{"own denied", func(_ *http.Request, result string) string {
			return `{"isError":true,"content":[{"type":"text","text":"**Not found**\n\nSentry knows no such resource."}]}`
		}},
		{"mark of another", func(_ *http.Request, result string) string {
			return strings.Replace(result, "title", "title "+sandbox.Mark("org-77"), 1)
		}},
		{"issue of another project", func(r *http.Request, result string) string {
			return strings.Replace(result, "title", "SERVICE-1077-3", 1)
		}},
		{"organization of another", func(_ *http.Request, result string) string {
			return strings.Replace(result, "title", "http://sentry.test/organizations/org-77/issues/", 1)
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				f := newFake(8)
				changed := false
				f.answer = func(r *http.Request, n int, result string) (string, int) {
					f.mu.Lock()
					defer f.mu.Unlock()
					if n > 50 && !changed && strings.Contains(result, "mark mk-") {
						changed = true
						return tt.change(r, result), http.StatusOK
					}
					return result, http.StatusOK
				}
				rep := mustRun(t, f.config(t, strings.Replace(eventsScenario, "duration: 10s", "duration: 100ms", 1)))
				if rep.Canaries.Wrong != 1 || rep.Total.Reasons[tt.what] != 1 {
					t.Errorf("%d wrong, %v", rep.Canaries.Wrong, rep.Total.Reasons)
				}
			})
		})
	}
}

const sessionScenario = `
users: 4
contexts: 12
place: mixed
era: legacy
arrivals: {rate: 100}
warmup: 0
duration: 10s
handles: 0.3
`

// TestRun_Sessions: a server that takes the sessions of others is found out, and
// one that does not is not.
func TestRun_Sessions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*fake)
		wrong bool
	}{
		{"well kept", func(f *fake) {}, false},
		{"taken from anybody", func(f *fake) { f.leaks = true }, true},
		{"taken from whoever is at the same URL", func(f *fake) { f.mixes = true }, true},
		{"whoever asks is let in", func(f *fake) { f.open = true }, true},
		{"what the URL names can be named otherwise", func(f *fake) { f.wide = true }, true},
		{"ended by anybody, in silence", func(f *fake) { f.ends = true }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				f := newFake(4)
				tt.spoil(f)
				rep := mustRun(t, f.config(t, sessionScenario))
				if got := rep.Canaries.Wrong > 0; got != tt.wrong {
					t.Errorf("%d wrong: %v", rep.Canaries.Wrong, rep.Total.Reasons)
				}
				if rep.Canaries.Tried["session"] < 20 || rep.Canaries.Tried["resource"] < 20 || rep.Canaries.Tried["issue"] < 20 || rep.Canaries.Tried["place"] < 20 || rep.Canaries.Tried["argument"] < 20 {
					t.Errorf("tried were %v", rep.Canaries.Tried)
				}
			})
		})
	}
}

// TestRun_ServerStops: in the middle of a run the server is gone.
func TestRun_ServerStops(t *testing.T) {
	t.Run("hanging", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			f := newFake(0)
			began := time.Now()
			f.answer = func(r *http.Request, n int, result string) (string, int) {
				if time.Since(began) > 5*time.Second {
					<-r.Context().Done()
				}
				return result, http.StatusOK
			}
			rep := mustRun(t, f.config(t, "arrivals: {rate: 50}\nwarmup: 0\nduration: 10s\ntimeout: 2s"))
			if took := time.Since(began); took > 14*time.Second {
				t.Errorf("it took %s", took)
			}
			if lost := rep.Total.Outcomes["lost"]; rep.Total.Count != 500 || lost < 240 || lost != rep.Total.Reasons["timeout"] {
				t.Errorf("of %d calls %d were lost: %v", rep.Total.Count, lost, rep.Total.Reasons)
			}
		})
	})
	t.Run("closed", func(t *testing.T) {
		f := newFake(0)
		server := httptest.NewServer(f)
		defer server.Close()
		f.answer = func(r *http.Request, n int, result string) (string, int) {
			if n == 20 {
				server.Listener.Close()
			}
			if n >= 20 {
				panic(http.ErrAbortHandler)
			}
			return result, http.StatusOK
		}
		rep := mustRun(t, Config{Scenario: parse(t, "arrivals: {rate: 200}\nwarmup: 0\nduration: 500ms"), URL: server.URL + "/mcp"})
		if rep.Total.Count != 100 || rep.Total.Outcomes["lost"] < 70 || rep.Total.Outcomes["ok"] < 10 {
			t.Errorf("of %d calls: %v, %v", rep.Total.Count, rep.Total.Outcomes, rep.Total.Reasons)
		}
	})
}

// TestRun_Interrupted: there is a report of what there is, and of what hung.
func TestRun_Interrupted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(0)
		f.answer = func(r *http.Request, n int, result string) (string, int) {
			wait(r.Context(), time.Second)
			if n >= 30 { // the rest hang
				<-r.Context().Done()
			}
			return result, http.StatusOK
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		rep, err := Run(ctx, f.config(t, "arrivals: {rate: 10}\nwarmup: 1s\nduration: 1h"))
		if err != nil || rep.Total.Count < 15 || rep.Total.Outcomes["lost"] < 10 || rep.Total.Outcomes["ok"]+rep.Total.Outcomes["lost"] != rep.Total.Count || rep.Seconds < 3 || rep.Seconds > 5 {
			t.Errorf("%v: %d calls in %g s, %v", err, rep.Total.Count, rep.Seconds, rep.Total.Outcomes)
		}
	})
}

// TestRun_Storm: all clients come back at once, again and again.
func TestRun_Storm(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(4)
		rep := mustRun(t, f.config(t, "users: 4\ncontexts: 12\nera: both\nhandles: 0\narrivals: {rate: 50}\nwarmup: 1s\nduration: 10s\nstorm: {every: 3s}"))
		storms := 0
		for _, m := range rep.Moments {
			if strings.HasPrefix(m.What, "storm: 12 clients") {
				storms++
			}
		}
		if storms != 3 || rep.Calls["initialize"].Count != 18 || rep.Calls["server/discover"].Count != 18 {
			t.Errorf("%d storms; %d sessions and %d clients without came back\n%v", storms, rep.Calls["initialize"].Count, rep.Calls["server/discover"].Count, rep.Moments)
		}
		if len(f.sessions) != 18 { // those that the storms left behind
			t.Errorf("%d sessions are left", len(f.sessions))
		}
		if f.begun != 6+18 || rep.Total.Bad() > 0 {
			t.Errorf("%d sessions were begun; %v", f.begun, rep.Total.Reasons)
		}
	})
}

// TestRun_Tasks: a server that tells of tasks of others.
func TestRun_Tasks(t *testing.T) {
	for _, leaks := range []bool{false, true} {
		virtually(t, func(t *testing.T) {
			f := newFake(4)
			f.leaks = leaks
			rep := mustRun(t, f.config(t, strings.Replace(sessionScenario, "era: legacy", "era: modern", 1)))
			if got := rep.Canaries.Wrong > 0; got != leaks || rep.Canaries.Tried["task"] < 20 {
				t.Errorf("leaks: %t; %d wrong, %v; tried were %v", leaks, rep.Canaries.Wrong, rep.Total.Reasons, rep.Canaries.Tried)
			}
		})
	}
}

// TestRun_FailFast ends at the first wrong answer.
func TestRun_FailFast(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(4)
		f.leaks = true
		cfg := f.config(t, sessionScenario)
		cfg.FailFast = true
		rep := mustRun(t, cfg)
		if rep.Canaries.Wrong == 0 || rep.Seconds > 5 {
			t.Errorf("%d wrong after %g s", rep.Canaries.Wrong, rep.Seconds)
		}
	})
}

// TestRun_Found: what users see on a server that is not the run's own is asked.
func TestRun_Found(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(3)
		cfg := f.config(t, "users: 3\ncontexts: 12\nplace: mixed\nera: both\narrivals: {rate: 50}\nwarmup: 0\nduration: 5s\ncalls: [{tool: search_events, arguments: {fields: [mark]}}]")
		cfg.Scale = nil
		rep := mustRun(t, cfg)
		if rep.Contexts != 12 || rep.Total.Outcomes["ok"] != 250 || rep.Canaries.Marked < 200 || rep.Canaries.Wrong > 0 {
			t.Errorf("%d contexts, %v, %v, %+v", rep.Contexts, rep.Total.Outcomes, rep.Total.Reasons, rep.Canaries)
		}
	})
}

// TestRun_BelowRoundhouse: at the URL of an organization there is no tool that
// names it, so that whose the answers are is not known, and none is called wrong.
func TestRun_BelowRoundhouse(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(2)
		cfg := f.config(t, "arrivals: {rate: 50}\nwarmup: 0\nduration: 2s\nera: both\ncontexts: 2\ncalls: [{tool: whoami}, {tool: search_events}]")
		cfg.Scale, cfg.URL = nil, cfg.URL+"/org-1"
		rep := mustRun(t, cfg)
		if rep.Total.Outcomes["ok"] != 100 || rep.Canaries.Wrong > 0 {
			t.Errorf("%v, %v, %+v", rep.Total.Outcomes, rep.Total.Reasons, rep.Canaries)
		}
	})
}

// TestRun_SamePersonTwice: what one of two sign-ins was given, the other may use.
func TestRun_SamePersonTwice(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(2)
		f.leaks = true // to whoever asks, who is always the same
		cfg := f.config(t, "users: 2\ncontexts: 2\nplace: user\nera: legacy\narrivals: {rate: 50}\nwarmup: 0\nduration: 5s\nhandles: 0.3")
		cfg.Scale = nil
		cfg.SignIn = func(context.Context, int) (Person, error) { return Person{Login: bearer("token-of-1")}, nil }
		rep := mustRun(t, cfg)
		if rep.Canaries.Wrong > 0 || rep.Canaries.Tried["session"] > 0 || rep.Canaries.Marked < 200 {
			t.Errorf("%+v", rep.Canaries)
		}
	})
}

// TestRun_Cold: each context is asked once.
func TestRun_Cold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(4)
		rep := mustRun(t, f.config(t, "users: 4\ncontexts: 16\norder: cold\nhandles: 0\narrivals: {rate: 2}\nwarmup: 0\nduration: 20s\ncalls: [{method: tools/list}]"))
		if rep.Total.Count != 16 || rep.Activations.Count() != 16 {
			t.Errorf("%d calls, %d activations", rep.Total.Count, rep.Activations.Count())
		}
	})
}

// TestRun_Search: a server that takes longer the more is asked.
func TestRun_Search(t *testing.T) {
	virtually(t, func(t *testing.T) {
		f := newFake(0)
		var mu sync.Mutex
		free := time.Now()
		f.answer = func(r *http.Request, n int, result string) (string, int) { // one after the other, 5 ms each: 200/s
			mu.Lock()
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(5 * time.Millisecond)
			d := time.Until(free)
			mu.Unlock()
			wait(r.Context(), d)
			return result, http.StatusOK
		}
		rep := mustRun(t, f.config(t, "arrivals: {search: {from: 20, to: 5000, p99: 50ms, step: 5s}}\nwarmup: 1s"))
		if rep.Limit == nil || rep.Limit.Rate < 180 || rep.Limit.Rate > 210 {
			t.Errorf("the limit of 200/s is found to be %+v", rep.Limit)
		}
	})
}

// TestRun_Workers share contexts and rate.
func TestRun_Workers(t *testing.T) {
	for _, yaml := range []string{
		"users: 6\ncontexts: 14\narrivals: {rate: 90}\nwarmup: 0\nduration: 10s\nhandles: 0",
		"users: 4\ncontexts: 14\narrivals: {rate: 90}\nwarmup: 0\nduration: 10s\nhandles: 0",
		"users: 1\ncontexts: 7\narrivals: {rate: 90}\nwarmup: 0\nduration: 10s\nhandles: 0",
	} {
		virtually(t, func(t *testing.T) {
			f := newFake(6)
			f.scale.Users = parse(t, yaml).Users
			seen := map[string]bool{}
			contexts, calls := 0, uint64(0)
			for worker := range 3 {
				cfg := f.config(t, yaml)
				cfg.Worker, cfg.Workers = worker, 3
				if err := cfg.fill(); err != nil {
					t.Fatal(err)
				}
				p, err := populate(t.Context(), &cfg)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range p.askers {
					seen[a.String()] = true
				}
				rep := mustRun(t, cfg)
				contexts += rep.Contexts
				calls += rep.Total.Count
			}
			if want := parse(t, yaml).Contexts; contexts != want || len(seen) != want || calls != 900 {
				t.Errorf("%d contexts, %d of them different, %d calls", contexts, len(seen), calls)
			}
		})
	}
}

func TestRun_Refuses(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		change     func(*Config)
		says       string
	}{
		{"a URL", "arrivals: {rate: 1}", func(c *Config) { c.URL = "localhost" }, "such as http://"},
		{"more contexts than there are", "users: 2\ncontexts: 50\narrivals: {rate: 1}", func(c *Config) {}, "--contexts 8"},
		{"faults without a sandbox", "arrivals: {rate: 1}\nfaults: [{rules: [{status: 503}]}]", func(c *Config) {}, "without --url"},
		{"a tool that there is not", "arrivals: {rate: 1}\ncalls: [{tool: echo}]", func(c *Config) {
			c.Scale = nil
			c.HTTP.Transport = wire{newFake(0)}
		}, "has no tool echo, which the scenario calls; it has whoami"},
		{"a URL that is something else", "arrivals: {rate: 1}", func(c *Config) {
			c.Scale = nil
			c.HTTP.Transport = wire{http.NotFoundHandler()}
		}, "refused: 404; is this the URL of an MCP server"},
		{"a token that is not good", "arrivals: {rate: 1}", func(c *Config) {
			c.Scale = nil
			c.HTTP.Transport = wire{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })}
		}, "refused: 401; what is sent as Authorization"},
		{"a worker", "arrivals: {rate: 1}", func(c *Config) { c.Worker = 3 }, "worker 3 of 1"},
		{"a sign-in", "arrivals: {rate: 1}", func(c *Config) {
			c.SignIn = func(context.Context, int) (Person, error) { return Person{}, fmt.Errorf("no such user") }
		}, "sign in user 1: no such user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(2)
			cfg := f.config(t, tt.yaml)
			tt.change(&cfg)
			if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestRun_Random: as many calls come as were asked for, give or take chance, and
// equal runs have equally many.
func TestRun_Random(t *testing.T) {
	virtually(t, func(t *testing.T) {
		count := func(seed uint64) uint64 {
			f := newFake(1)
			cfg := f.config(t, "arrivals: {rate: 100, random: true}\nwarmup: 0\nduration: 100s\nhandles: 0\ncalls: [{method: prompts/list}]")
			cfg.Seed = seed
			rep := mustRun(t, cfg)
			if rep.Arrivals != "open, 100/s, at random" {
				t.Errorf("arrivals are %q", rep.Arrivals)
			}
			return rep.Total.Count
		}
		one, again, other := count(1), count(1), count(2)
		if one != again || one == other || one < 9_500 || one > 10_500 {
			t.Errorf("%d calls, %d with the same seed, %d with another, want about 10 000 that come at random", one, again, other)
		}
	})
}
