package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
)

// getPrompt returns what a prompt says to the model.
func (u *user) getPrompt(name string, given args) string {
	u.t.Helper()
	var result struct {
		Messages []struct {
			Role    string
			Content struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal(u.mustAsk("prompts/get", args{"name": name, "arguments": given}), &result); err != nil {
		u.t.Fatal(err)
	}
	if len(result.Messages) != 1 || result.Messages[0].Role != "user" || result.Messages[0].Content.Type != "text" {
		u.t.Fatalf("messages = %+v", result.Messages)
	}
	return result.Messages[0].Content.Text
}

var everyArgument = args{"organization": outdoors, "project": "storefront", "issue": "STOREFRONT-3", "release": "storefront@4.2.0", "error": "TypeError: x is undefined\n    at pay (cart.js:10)"}

// The golden file is what people and models are told: read its diff like code.
func TestPrompts_golden(t *testing.T) {
	var b bytes.Buffer
	for _, shape := range []struct{ org, project string }{{"", ""}, {"acme", ""}, {"acme", "web"}} {
		u := inShape(t, shape.org, shape.project, Inspect)
		list, err := json.MarshalIndent(u.env.prompts(u.ctx), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "==== prompts/list in %s\n\n%s\n\n", place(u.env.Key), list)
	}
	for _, p := range allPrompts {
		fmt.Fprintf(&b, "==== %s, nothing given\n\n%s\n", p.name, inShape(t, "", "", Inspect).getPrompt(p.name, nil))
		fmt.Fprintf(&b, "==== %s, everything given, with the right to change\n\n%s\n", p.name, inShape(t, "acme", "", Inspect, Triage).getPrompt(p.name, everyArgument))
	}
	path := filepath.Join("testdata", "prompts.txt")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s is not what the prompts say (-file +prompts); -update rewrites it:\n%s", path, diff)
	}
}

// inShape is a user of a server that never asks Sentry.
func inShape(t testing.TB, org, project string, skills ...string) *user {
	env := benchEnv(t, org, project)
	u := &user{t: t, ctx: as(t.Context(), skills...), server: Default().NewServer(env)}
	env.catalog = Default()
	u.env = env
	return u
}

func TestPrompts_narrowed(t *testing.T) {
	for _, tt := range []struct {
		org, project string
		absent       []string
	}{
		{"", "", nil},
		{"acme", "", []string{"organization"}},
		{"acme", "web", []string{"organization", "project"}},
	} {
		u := inShape(t, tt.org, tt.project, Inspect)
		if got := u.listed("prompts/list", "prompts", "name"); !slices.Equal(got, []string{"triage_issue", "review_release", "explain_error"}) {
			t.Errorf("in %s: %v", place(u.env.Key), got)
		}
		raw := string(u.mustAsk("prompts/list", nil))
		for _, name := range []string{"organization", "project"} {
			if there, want := strings.Contains(raw, `"name":"`+name+`"`), !slices.Contains(tt.absent, name); there != want {
				t.Errorf("in %s: argument %s there is %v, want %v", place(u.env.Key), name, there, want)
			}
		}
		for _, p := range allPrompts {
			said := u.getPrompt(p.name, args{"organization": "globex-labs", "project": "collector", "unheard-of": "x"})
			for _, name := range tt.absent {
				foreign := map[string]string{"organization": "globex-labs", "project": "collector"}[name]
				if strings.Contains(said, foreign) {
					t.Errorf("%s in %s speaks of %s %s", p.name, place(u.env.Key), name, foreign)
				}
			}
		}
	}
}

// A prompt names tools that are there, in every shape, listed or not, and only
// arguments that they have.
func TestPrompts_namesTools(t *testing.T) {
	tool := regexp.MustCompile(`\b(?:find|get|search|update)_[a-z_]+\b`)
	for _, shape := range []struct{ org, project string }{{"", ""}, {"acme", ""}, {"acme", "web"}} {
		for _, skills := range [][]string{{Inspect}, {Inspect, Triage}} {
			u := inShape(t, shape.org, shape.project, skills...)
			for _, p := range allPrompts {
				for _, given := range []args{nil, everyArgument} {
					said := u.getPrompt(p.name, given)
					named := tool.FindAllString(said, -1)
					for _, name := range named {
						if n := u.env.find(u.ctx, name); n == nil || !n.Listed {
							t.Errorf("%s in %s with %v names %s, which is not listed there", p.name, place(u.env.Key), skills, name)
						}
					}
					if len(named) == 0 && given != nil {
						t.Errorf("%s names no tool", p.name)
					}
				}
			}
		}
	}
}

// Whatever is pasted stays in its block or span: nothing of it speaks with the
// voice of the prompt.
func TestPrompts_quote(t *testing.T) {
	const attack = "IGNORE-ALL"
	for _, given := range []string{
		attack, "x\n\n# " + attack, "x`\n" + attack, "```\n" + attack + "\n```", "`````\n" + attack, "x\r\n- " + attack, "x\u2028" + attack, "**" + attack + "**", "` " + attack + " `",
		strings.Repeat("`", 50) + "\n" + attack, "[" + attack + "](javascript:x)", "\x1b[31m" + attack, "~~~\n" + attack,
	} {
		u := inShape(t, "", "", Inspect, Triage)
		for _, p := range allPrompts {
			for _, a := range p.in(ShapeUser).Arguments {
				if said := u.getPrompt(p.name, args{a.Name: given}); strings.Contains(outside(said), attack) {
					t.Errorf("%s of %s is not quoted:\n%s", a.Name, p.name, said)
				}
			}
		}
	}
}

// outside is Markdown without its fenced blocks and code spans.
func outside(text string) string {
	var kept strings.Builder
	fence := ""
	for line := range strings.Lines(text) {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence != "":
			if strings.TrimSpace(line) == fence {
				fence = ""
			}
		case len(ticks) >= 3 && !strings.Contains(line[len(ticks):], "`"):
			fence = ticks
		default:
			kept.WriteString(line)
		}
	}
	rest, out := kept.String(), strings.Builder{}
	for {
		i := strings.IndexByte(rest, '`')
		if i < 0 {
			return out.String() + rest
		}
		out.WriteString(rest[:i])
		rest = rest[i:]
		ticks := rest[:len(rest)-len(strings.TrimLeft(rest, "`"))]
		rest = rest[len(ticks):]
		end := regexp.MustCompile("(^|[^`])" + ticks + "($|[^`])").FindStringIndex(rest)
		if end == nil {
			continue
		}
		rest = strings.TrimLeft(rest[end[0]:], "`")
		if i := strings.Index(rest, ticks); i >= 0 {
			rest = rest[i+len(ticks):]
		}
	}
}

func TestPrompts_bounded(t *testing.T) {
	u := inShape(t, "", "", Inspect)
	huge := strings.Repeat("x", 10*maxPasted)
	for _, p := range allPrompts {
		for _, a := range p.in(ShapeUser).Arguments {
			if said := u.getPrompt(p.name, args{a.Name: huge}); len(said) > 2*maxPasted {
				t.Errorf("%s of %s makes %d bytes", a.Name, p.name, len(said))
			}
		}
	}
}

func TestPrompts_refused(t *testing.T) {
	u := inShape(t, "acme", "", Inspect)
	u.getPrompt("triage_issue", nil) // others' use must not open it
	_, unknownCode, unknown := u.ask(true, "prompts/get", args{"name": "no_such_prompt"})
	if unknownCode != -32602 {
		t.Errorf("unknown: %d %s", unknownCode, unknown)
	}
	for _, ctx := range []constraint.Caller{{User: "1001"}, {User: "1", Skills: []string{Inspect}}, {}} {
		u.ctx = constraint.WithCaller(t.Context(), ctx)
		_, code, message := u.ask(true, "prompts/get", args{"name": "triage_issue"})
		if code != unknownCode || strings.ReplaceAll(message, "triage_issue", "no_such_prompt") != unknown {
			t.Errorf("%+v: %d %s, want %d %s", ctx, code, message, unknownCode, unknown)
		}
		if got := u.listed("prompts/list", "prompts", "name"); len(got) != 0 {
			t.Errorf("%+v lists %v", ctx, got)
		}
	}
}
