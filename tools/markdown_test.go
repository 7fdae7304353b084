package tools

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Outside of markdown.go nothing converts a string to markdown: the compiler
// accepts only literals, and this test finds the conversions that would get
// around it.
func TestMarkdown_conversions(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if name == "markdown.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "markdown" {
				t.Errorf("%s converts to markdown by itself", fset.Position(call.Pos()))
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(f.Sel.Name, "NewToolResult") && name != "tool.go" && name != "errors.go" {
				t.Errorf("%s makes a result by itself", fset.Position(call.Pos()))
			}
			return true
		})
	}
}

func TestWord(t *testing.T) {
	for given, want := range map[string]markdown{
		"SHOP-7":                         "SHOP-7",
		"team.web_2":                     "team.web_2",
		"":                               "",
		"two words":                      "`two words`",
		"http://evil.example":            "`http://evil.example`",
		"**x**":                          "`**x**`",
		"a`b":                            "`` a`b ``",
		"x\ny":                           "`x y`",
		strings.Repeat("a", 101):         "`" + markdown(strings.Repeat("a", 101)) + "`",
		strings.Repeat("b", maxInline*2): "`" + markdown(strings.Repeat("b", maxInline)) + "…`",
	} {
		if got := word(given); got != want {
			t.Errorf("word(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestLink(t *testing.T) {
	if got := link("SHOP-7", "https://acme.sentry.io/issues/SHOP-7/"); got != "[SHOP-7](https://acme.sentry.io/issues/SHOP-7/)" {
		t.Errorf("link = %q", got)
	}
	for _, url := range []string{"javascript:alert(1)", "https://x/) y", "https://x/<b>", "https://u@x/", "https://x/`"} {
		if got := link("x", url); got != "x" {
			t.Errorf("link to %q = %q, want none", url, got)
		}
		if got := address(url); !strings.HasPrefix(string(got), "`") {
			t.Errorf("address(%q) = %q, want a code span", url, got)
		}
	}
}
