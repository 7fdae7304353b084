package scenario

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("dir/small.yaml", []byte("users: 4\narrivals:\n  rate: 20\nwarmup: 0\ncalls:\n- tool: search_issues\n  arguments: {limit: 3}\n- method: tools/list\n  weight: 0.5\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Scenario{
		Name: "small", Users: 4, Contexts: 4, Place: AtProject, Order: Random, Era: Modern, Arrivals: Arrivals{Rate: 20},
		Duration: Duration{10 * time.Second}, Timeout: Duration{30 * time.Second}, Handles: 0.02,
		Calls:   []Call{{Tool: "search_issues", Arguments: map[string]any{"limit": uint64(3)}, Weight: 1}, {Method: "tools/list", Weight: 0.5}},
		Sandbox: Sandbox{Orgs: 4, Projects: 4, Issues: 20},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

func TestParse_Steps(t *testing.T) {
	got, err := Parse("s.yaml", []byte("arrivals:\n  steps:\n  - {rate: 10, for: 5s}\n  - {rate: 20, for: 2s}\n"))
	if err != nil || got.Duration.Duration != 7*time.Second {
		t.Errorf("the steps take %s, %v", got.Duration, err)
	}
}

// good is what the bad files begin with; line 3 is theirs.
const good = "arrivals:\n  rate: 10\n"

func TestParse_Refuses(t *testing.T) {
	for _, c := range []struct{ name, file, where, says string }{
		{"nothing", "", "1:1", "arrivals at least"},
		{"a comment alone", "# hello\n", "1:1", "arrivals at least"},
		{"no mapping", "3\n", "1:1", "a mapping is wanted"},
		{"no arrivals", "users: 3\n", "1:1", "exactly one of rate, ramp"},
		{"two arrivals", "arrivals:\n  rate: 10\n  closed: 3\n", "2:3", "exactly one of rate, ramp"},
		{"callers who wait at random", "arrivals:\n  closed: 3\n  random: true\n", "3:11", "random needs a rate"},
		{"arrivals of another kind", "arrivals: 10\n", "1:11", "a mapping is wanted, of rate, ramp"},
		{"an unknown key", good + "usres: 3\n", "3:1", `there is no "usres" here; there are name, about, users`},
		{"an unknown key further in", "arrivals:\n  rat: 10\n", "2:3", `there are rate, ramp, steps`},
		{"a key twice", good + "users: 1\nusers: 2\n", "4:1", "already defined"},
		{"a text for a number", good + "users: many\n", "3:8", `a whole number is wanted, not "many"`},
		{"half a user", good + "users: 1.5\n", "3:8", `a whole number is wanted, not "1.5"`},
		{"a number in quotes", good + "users: \"3\"\n", "3:8", "a whole number is wanted"},
		{"no value", good + "users:\n", "3:8", "has no value"},
		{"no users", good + "users: 0\n", "3:8", "0 is not between 1 and 100000"},
		{"too many users", good + "users: 100001\n", "3:8", "is not between 1 and 100000"},
		{"too large for an int", good + "users: 99999999999999999999\n", "3:8", ""},
		{"too many contexts", good + "contexts: 2000000\n", "3:11", "is not between 1 and 1000000"},
		{"fewer contexts than users", good + "users: 5\ncontexts: 3\n", "4:11", "too few for 5 users"},
		{"more contexts than users at /mcp", good + "place: user\nusers: 5\ncontexts: 6\n", "5:11", "one each"},
		{"a place", good + "place: team\n", "3:8", `"team" is not one of user, org, project, mixed`},
		{"an order", good + "order: {}\n", "3:8", "a text is wanted"},
		{"an era", good + "era: 2025\n", "3:6", "a text is wanted"},
		{"another era", good + "era: ancient\n", "3:6", "is not one of modern, legacy, both"},
		{"a duration without a unit", good + "duration: 30\n", "3:11", `a duration is wanted, such as 30s or 1m30s, not "30"`},
		{"a negative duration", good + "duration: -3s\n", "3:11", "-3s is not between 100ms and 24h"},
		{"a week", good + "duration: 168h\n", "3:11", "is not between"},
		{"a rate of nothing", "arrivals:\n  rate: .nan\n", "2:9", "is wanted"},
		{"an endless rate", "arrivals:\n  rate: .inf\n", "2:9", "is wanted"},
		{"a rate above all", "arrivals:\n  rate: 2000000\n", "2:9", "is not between 0.01 and 1000000"},
		{"a flat ramp", "arrivals:\n  ramp: {from: 0, to: 0}\n", "2:9", "has to be above 0"},
		{"steps and a duration", "arrivals:\n  steps:\n  - {rate: 1, for: 5s}\nduration: 8s\n", "4:11", "the steps take 5s"},
		{"a step without a rate", "arrivals:\n  steps:\n  - {for: 5s}\n", "3:5", "steps[0].rate: 0 is not between"},
		{"a search downwards", "arrivals:\n  search: {from: 10, to: 5, p99: 1s}\n", "2:26", "5 is not above from"},
		{"a search without a bound", "arrivals:\n  search: {from: 10, to: 50}\n", "2:11", "p99: 0s is not between"},
		{"a search with a duration", "arrivals:\n  search: {from: 10, to: 50, p99: 1s}\nduration: 8s\n", "3:11", "a search ends by itself"},
		{"a call of nothing", good + "calls:\n- weight: 3\n", "4:3", "either a tool or a method"},
		{"a call of both", good + "calls:\n- tool: a\n  method: tools/list\n", "4:3", "either a tool or a method"},
		{"a tool's name", good + "calls:\n- tool: search issues\n", "4:9", "is no tool's name"},
		{"a method", good + "calls:\n- method: tools/call\n", "4:11", "tools are called by tool:"},
		{"a method of the other era", good + "calls:\n- method: ping\n", "4:11", "not in both eras"},
		{"a weight of nothing", good + "calls:\n- tool: a\n  weight: 0\n", "5:11", "0 is not above 0"},
		{"arguments that are a list", good + "calls:\n- tool: a\n  arguments: [1]\n", "5:14", "names and values are wanted"},
		{"an alias", good + "calls:\n- tool: a\n  arguments: &x {a: 1}\n", "5:14", "no anchors"},
		{"deep arguments", good + "calls:\n- tool: a\n  arguments: {a: [[[[[[[[[[[[1]]]]]]]]]]]]}\n", "5:28", "deeper than"},
		{"contexts that leave at once", good + "idle: 10ms\n", "3:7", "is not between 1s and"},
		{"too many handles", good + "handles: 1.5\n", "3:10", "is not between 0 and 1"},
		{"no streams", good + "streams: {count: 0}\n", "3:18", "is not between 1 and"},
		{"a storm that never comes", good + "storm: {share: 0.5}\n", "3:8", "every: 0s is not between"},
		{"a fault without rules", good + "faults:\n- after: 1s\n", "4:3", "such as {status: 503}"},
		{"a fault that does nothing", good + "faults:\n- rules: [{pattern: /api/0/}]\n", "4:11", "it does nothing"},
		{"a rule's misspelt key", good + "faults:\n- rules: [{delay: 3}]\n", "4:12", "there are pattern, org"},
		{"a fault for longer than until the next", good + "faults:\n- {every: 5s, for: 5s, rules: [{drop: true}]}\n", "4:20", "is not shorter than every"},
		{"a fault again and again without an end", good + "faults:\n- {every: 5s, rules: [{drop: true}]}\n", "4:11", "say with for:"},
		{"a command of nothing", good + "commands:\n- run: []\n", "4:8", "a program and its arguments"},
		{"a command that is a line", good + "commands:\n- run: kill it\n", "4:8", "a list is wanted"},
		{"a sandbox that is too small to be one", good + "sandbox: {orgs: 1, projects: 2000}\n", "3:30", "more than 1000 in each"},
		{"a second document", good + "---\nusers: 3\n", "4:1", "a second document"},
		{"a tab", "\t- x\n", "1:1", "tab"},
		{"an open list", "a: [\n", "1:4", ""},
		{"a name with a slash", good + "name: a/b\n", "3:7", "is not a name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("bad.yaml", []byte(c.file))
			var at *Error
			if !errors.As(err, &at) {
				t.Fatalf("taken, or refused without a place: %v", err)
			}
			if !strings.HasPrefix(err.Error(), "bad.yaml:"+c.where+": ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v\nwant it at %s, saying %q", err, c.where, c.says)
			}
		})
	}
}

func TestParse_Bounded(t *testing.T) {
	if _, err := Parse("big.yaml", []byte("# "+strings.Repeat("x", maxFile))); err == nil {
		t.Error("a file of any size is read")
	}
}

func TestShipped(t *testing.T) {
	if len(Names()) < 12 {
		t.Errorf("only %d are shipped", len(Names()))
	}
	for _, name := range Names() {
		s, err := Shipped(name)
		if err != nil {
			t.Error(err)
		}
		if s.Name != name || s.About == "" {
			t.Errorf("%s is called %q and is about %q", name, s.Name, s.About)
		}
		if source, _ := Source(name); !strings.HasPrefix(string(source), "# ") {
			t.Errorf("%s does not begin by telling what it is", name)
		}
	}
	if _, err := Shipped("../scenario"); err == nil || !strings.Contains(err.Error(), "mixed") {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestScenario_Overrides(t *testing.T) {
	for _, name := range Names() {
		s, err := Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		short := s.Faster(5).Lasting(time.Second)
		if err := short.Check(); err != nil {
			t.Errorf("%s, shorter: %v", name, err)
		}
		if err := s.For(0, s.Contexts*2).Check(); err != nil && s.Place != AtUser {
			t.Errorf("%s, with more contexts: %v", name, err)
		}
		if err := s.For(7, 0).Check(); err != nil {
			t.Errorf("%s, with other users: %v", name, err)
		}
	}
}

// TestSandbox_EnoughFor: whatever is asked for, the sandbox is one that there
// can be.
func TestSandbox_EnoughFor(t *testing.T) {
	for _, place := range []Place{AtUser, AtOrg, AtProject, Mixed} {
		for users := 1; users <= maxUsers; users *= 7 {
			for contexts := users; contexts <= maxContexts; contexts *= 3 {
				s := Scenario{Users: users, Contexts: contexts, Place: place}
				s.Sandbox = s.Sandbox.enoughFor(s)
				if err := s.checkSandbox(); err != nil {
					t.Errorf("%d users, %d contexts at %s: %v: %+v", users, contexts, place, err, s.Sandbox)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		source, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		text := regexp.MustCompile(`(?m)(^| +)#.*$`).ReplaceAll(source, nil) // the parser is slow in the fuzzer
		f.Add(bytes.TrimSpace(text))
	}
	f.Add([]byte("arrivals: {rate: 1e3}\ncalls: [{tool: a, arguments: {b: [1, ~, {c: d}]}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz.yaml", data)
		var at *Error
		switch {
		case err == nil:
			if err := s.Check(); err != nil {
				t.Errorf("Parse takes what Check refuses: %v", err)
			}
		case !errors.As(err, &at) || at.Line < 1 || at.Column < 1:
			t.Errorf("refused without a place: %v", err)
		}
	})
}
