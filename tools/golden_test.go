package tools

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

var update = flag.Bool("update", false, "rewrite testdata from the catalog")

// The golden files are what clients are told: read their diff like code.
func TestDefault_golden(t *testing.T) {
	var names []string
	for tool := range Default().All() {
		names = append(names, tool.Name+".json")
		t.Run(tool.Name, func(t *testing.T) {
			got := golden(t, tool)
			path := filepath.Join("testdata", tool.Name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s is not what the catalog says (-file +catalog); -update rewrites it:\n%s", path, diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(names, filepath.Base(f)) {
			t.Errorf("%s is of no tool", f)
		}
	}
}

// golden has the definition once, and for each shape the input schema, or null
// where the tool is absent.
func golden(t *testing.T, tool Tool) []byte {
	type shapes struct {
		User    json.RawMessage `json:"user"`
		Org     json.RawMessage `json:"org"`
		Project json.RawMessage `json:"project"`
	}
	doc := struct {
		Name         string             `json:"name"`
		Title        string             `json:"title"`
		Description  string             `json:"description"`
		Skills       []string           `json:"skills"`
		Listed       bool               `json:"listed"`
		Annotations  mcp.ToolAnnotation `json:"annotations"`
		OutputSchema json.RawMessage    `json:"outputSchema,omitempty"`
		InputSchema  shapes             `json:"inputSchema"`
	}{Name: tool.Name, Title: tool.Title, Description: tool.Description, Skills: tool.Skills, Listed: tool.Listed, Annotations: tool.Annotations}
	for shape, into := range map[Shape]*json.RawMessage{ShapeUser: &doc.InputSchema.User, ShapeOrg: &doc.InputSchema.Org, ShapeProject: &doc.InputSchema.Project} {
		*into = json.RawMessage("null")
		if def, ok := Default().Definition(tool.Name, shape); ok {
			*into = def.RawInputSchema
			doc.OutputSchema = def.RawOutputSchema
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What clients refuse or misread, in any schema of any shape.
func TestDefault_schemas(t *testing.T) {
	forbidden := []string{"$ref", "anyOf", "oneOf", "allOf", "not", "$defs", "nullable"}
	var walk func(where string, v any)
	walk = func(where string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if slices.Contains(forbidden, key) {
					t.Errorf("%s uses %s", where, key)
				}
				if _, list := value.([]any); key == "type" && list {
					t.Errorf("%s has several types", where)
				}
				walk(where+"."+key, value)
			}
		case []any:
			for _, value := range v {
				walk(where, value)
			}
		}
	}
	name := regexp.MustCompile(`^[a-z_]{1,64}$`)
	for tool := range Default().All() {
		if !name.MatchString(tool.Name) {
			t.Errorf("name %q", tool.Name)
		}
		for _, shape := range Shapes {
			def, ok := Default().Definition(tool.Name, shape)
			if !ok {
				continue
			}
			var in map[string]any
			if err := json.Unmarshal(def.RawInputSchema, &in); err != nil {
				t.Fatal(err)
			}
			if in["type"] != "object" || in["additionalProperties"] != false {
				t.Errorf("%s in %v: the input is not a closed object", tool.Name, shape)
			}
			walk(tool.Name, in)
			for pinned, from := range fixed {
				if shape >= from && strings.Contains(string(def.RawInputSchema), `"`+pinned+`"`) {
					t.Errorf("%s in %v still asks for %s", tool.Name, shape, pinned)
				}
			}
			if len(def.RawOutputSchema) > 0 {
				var out any
				if err := json.Unmarshal(def.RawOutputSchema, &out); err != nil {
					t.Fatal(err)
				}
				walk(tool.Name+" output", out)
			}
		}
		for _, p := range tool.input.properties {
			if p.jsonType == "string" && p.max == nil && p.enum == nil && p.pattern == "" {
				t.Errorf("%s: %s is not bounded", tool.Name, p.name)
			}
			if p.doc == "" {
				t.Errorf("%s: %s has no description", tool.Name, p.name)
			}
		}
	}
}

// The structured answers are what the output schemas promise.
func TestDefault_outputs(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, "", "").with(Inspect, Analyze)
	calls := map[string]map[string]any{
		"whoami":             nil,
		"find_organizations": nil,
		"find_projects":      {"organizationSlug": outdoors},
		searchToolsName:      {"query": "issue"},
		"analyze_issue":      {"organizationSlug": outdoors, "issueId": string(w.storyIssue().ShortID)},
	}
	for tool := range Default().All() {
		if tool.output == nil {
			continue
		}
		a, ok := calls[tool.Name]
		if !ok {
			t.Errorf("%s has an output schema that no call here checks", tool.Name)
			continue
		}
		var answer any
		if err := json.Unmarshal([]byte(u.must(tool.Name, a)), &answer); err != nil {
			t.Fatal(err)
		}
		if err := compile(tool.Name+"-out", mustMarshal(tool.output)).Validate(answer); err != nil {
			t.Errorf("%s: %v", tool.Name, err)
		}
	}
}

func TestRanking(t *testing.T) {
	tests := []struct{ query, first string }{
		{"get_issue_details", "get_issue_details"},
		{"show one issue with its stack trace", "get_issue_details"},
		{"list projects", "find_projects"},
		{"organizations", "find_organizations"},
		{"org", "find_organizations"},
		{"resolve", "update_issue"},
		{"mute a noisy issue", "update_issue"},
		{"slow spans", "search_events"},
		{"log lines", "search_events"},
		{"who is signed in", "whoami"},
		{"open a URL", "get_sentry_resource"},
		{"find groups of similar errors", "search_issues"},
	}
	index := Default().shapes[ShapeUser].index()
	for _, tt := range tests {
		ranked := index.search(tt.query)
		if len(ranked) == 0 || ranked[0].Name != tt.first {
			var names []string
			for _, n := range ranked {
				names = append(names, n.Name)
			}
			t.Errorf("search(%q) = %v, want %s first", tt.query, names, tt.first)
		}
	}
	if found := index.search("zzz 42"); len(found) != 0 {
		t.Errorf("nonsense finds %d tools", len(found))
	}
}
