package sandbox

import (
	"bytes"
	"errors"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDelete(t *testing.T) {
	path := seeded(t)
	got, err := Inspect(t.Context(), path)
	if err != nil || got.Orgs != 2 || got.Projects < 5 || got.Issues == 0 || got.Items == 0 || got.Size < 10_000 || got.Damaged {
		t.Errorf("Inspect = %+v, %v", got, err)
	}
	open := start(t, Options{Path: path})
	if err := Delete(t.Context(), path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("while it is open: %v", err)
	}
	if w := open.as(mara, reading...).api("GET", "/auth/", ""); w.Code != 200 {
		t.Errorf("who has it open: %d", w.Code)
	}
	if err := open.sb.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Delete(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := Inspect(t.Context(), path); !errors.Is(err, ErrNone) {
		t.Errorf("Inspect of nothing: %v", err)
	}
}

func TestCheckUser(t *testing.T) {
	path := seeded(t)
	if err := start(t, Options{Path: path, Scale: Scale{Users: 20, Orgs: 2, Projects: 2}}).sb.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, path)
	none := filepath.Join(t.TempDir(), "none.db")
	other := filepath.Join(t.TempDir(), "other.db")
	writeFile(t, other, []byte("my thesis"))
	for _, tt := range []struct{ path, email, says string }{
		{path, "Mara@Example.Test", ""},
		{path, "nobody@example.test", `no user "nobody@example.test"; there are mara@example.test, `},
		{path, "", "more"},
		{none, mara, ""},
		{none, "nobody@example.test", "wen@example.test"},
		{other, "nobody@example.test", ""}, // New says what the file is
	} {
		err := CheckUser(t.Context(), tt.path, tt.email)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("CheckUser(%s, %s) = %v, want %q", filepath.Base(tt.path), tt.email, err, tt.says)
		}
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("the file was changed")
	}
	if _, err := Inspect(t.Context(), none); !errors.Is(err, ErrNone) {
		t.Errorf("a file was made: %v", err)
	}
}

// TestDelete_Damaged: a sandbox that cannot be opened any more can be deleted.
func TestDelete_Damaged(t *testing.T) {
	path := seeded(t)
	raw := readFile(t, path)
	for i := 4096; i < len(raw); i++ {
		raw[i] = 0xAA
	}
	writeFile(t, path, raw)
	if got, err := Inspect(t.Context(), path); err != nil || !got.Damaged {
		t.Errorf("Inspect = %+v, %v", got, err)
	}
	if err := Delete(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestDelete_Refuses(t *testing.T) {
	for name, content := range map[string]string{
		"Text": "my thesis", "Long": strings.Repeat("my thesis, chapter 1\n", 100), "Other": "SQLite format 3\x00" + strings.Repeat("\x00", 200),
	} {
		path := filepath.Join(t.TempDir(), "file.db")
		writeFile(t, path, []byte(content))
		if _, err := Inspect(t.Context(), path); err == nil {
			t.Errorf("%s: inspected", name)
		}
		if err := Delete(t.Context(), path); err == nil || !strings.Contains(err.Error(), "not a sandbox") {
			t.Errorf("%s: %v", name, err)
		}
		if raw, err := os.ReadFile(path); err != nil || string(raw) != content {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
	if err := Delete(t.Context(), filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, ErrNone) {
		t.Errorf("nothing: %v", err)
	}
}

func TestDSNs(t *testing.T) {
	r := start(t, Options{Empty: true})
	all, err := r.sb.DSNs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, p := range all {
		seen[p.Org+"/"+p.Project] = p.DSN
	}
	for _, name := range []string{"acme-outdoors/my-app", "acme-outdoors/storefront", "globex-labs/collector"} {
		org, project, _ := strings.Cut(name, "/")
		if want, err := r.sb.DSN(t.Context(), org, project); err != nil || seen[name] != want {
			t.Errorf("%s: %q, want %q, %v", name, seen[name], want, err)
		}
	}
	for _, sdk := range SDKs {
		text := Snippet(sdk, all[0].DSN)
		if strings.Count(text, "\n") != 2 || !strings.Contains(text, `"`+all[0].DSN+`"`) {
			t.Errorf("snippet for %s: %s", sdk, text)
		}
	}
	if Snippet("cobol", "x") != "" {
		t.Error("a snippet for an SDK that is not there")
	}
}

// TestSnippet_Go: the lines are of a program with the imports that they name.
func TestSnippet_Go(t *testing.T) {
	snippet := Snippet("go", "http://key@127.0.0.1:8080/1")
	_, said, _ := strings.Cut(strings.Split(snippet, "\n")[0], "// import ")
	named := regexp.MustCompile(`"[^"]+"`).FindAllString(said, -1)
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", "package main\nimport (\n"+strings.Join(named, "\n")+"\n)\nfunc main() {\n"+snippet+"\n}\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range file.Unresolved {
		used[name.Name] = true
	}
	for _, path := range named {
		name := strings.TrimSuffix(strings.Trim(path[strings.LastIndex(path, "/")+1:], `"`), "-go")
		if !used[name] {
			t.Errorf("%s is imported and not used", path)
		}
		delete(used, name)
	}
	if len(used) > 0 {
		t.Errorf("no import is named for %v, in\n%s", used, snippet)
	}
}
