package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

var (
	scenarioType = reflect.TypeFor[Scenario]()
	durationType = reflect.TypeFor[Duration]()
)

// refuse is an error at the node.
func (d document) refuse(n ast.Node, format string, args ...any) error {
	p := begin(n)
	return &Error{d.file, p.Line, p.Column, fmt.Sprintf(format, args...)}
}

// begin is where a node begins. That of a mapping is its first key: the library
// has it at the colon.
func begin(n ast.Node) *token.Position {
	if values, ok := pairs(n); ok && len(values) > 0 && n.GetToken().Value == ":" {
		return values[0].Key.GetToken().Position
	}
	return n.GetToken().Position
}

// check compares a node with the type that it will be read into. The YAML
// library is lenient: to it 1.5 is a whole number, null anything, and an alias
// stands for as much as it likes.
func (d document) check(n ast.Node, t reflect.Type, path string) error {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		return d.refuse(n, "scenarios have no anchors, aliases and tags; write it out")
	case *ast.NullNode:
		return d.refuse(n, "%s has no value; %s, or leave it out", nameOf(path), wanted(t))
	}
	d.where[path] = begin(n)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == durationType:
		return d.checkDuration(n, path)
	case t.Kind() == reflect.Struct:
		return d.checkStruct(n, t, path)
	case t.Kind() == reflect.Slice:
		return d.checkList(n, t, path)
	case t.Kind() == reflect.Map || t.Kind() == reflect.Interface:
		return d.checkAny(n, path, t.Kind() == reflect.Map, 0)
	case !scalar(n, t.Kind()):
		return d.refuse(n, "%s: %s, not %s", nameOf(path), wanted(t), describe(n))
	}
	return nil
}

func scalar(n ast.Node, k reflect.Kind) bool {
	switch n.(type) {
	case *ast.IntegerNode:
		return k == reflect.Int || k == reflect.Float64
	case *ast.FloatNode:
		return k == reflect.Float64
	case *ast.BoolNode:
		return k == reflect.Bool
	case *ast.StringNode, *ast.LiteralNode:
		return k == reflect.String
	}
	return false
}

func (d document) checkDuration(n ast.Node, path string) error {
	if _, ok := n.(*ast.StringNode); ok {
		if _, err := time.ParseDuration(n.GetToken().Value); err == nil {
			return nil
		}
	}
	if i, ok := n.(*ast.IntegerNode); ok && i.GetToken().Value == "0" {
		return nil
	}
	return d.refuse(n, "%s: %s, not %s", nameOf(path), wanted(durationType), describe(n))
}

// fields are the keys of a struct, in its order.
func fields(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		names = append(names, f.Tag.Get("yaml"))
	}
	return names
}

func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func (d document) checkStruct(n ast.Node, t reflect.Type, path string) error {
	values, ok := pairs(n)
	if !ok {
		return d.refuse(n, "%s: %s, not %s", nameOf(path), wanted(t), describe(n))
	}
	names := fields(t)
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return d.refuse(v.Key, "this is no key; there are %s", strings.Join(names, ", "))
		}
		i := slices.Index(names, key.Value)
		if i < 0 {
			return d.refuse(key, "there is no %q here; there are %s", clip(key.Value), strings.Join(names, ", "))
		}
		below := strings.TrimPrefix(path+"."+key.Value, ".")
		if err := d.check(v.Value, t.Field(i).Type, below); err != nil {
			return err
		}
	}
	return nil
}

func (d document) checkList(n ast.Node, t reflect.Type, path string) error {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return d.refuse(n, "%s: %s, not %s", nameOf(path), wanted(t), describe(n))
	}
	for i, v := range list.Values {
		if err := d.check(v, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

// maxDepth is of arguments within each other.
const maxDepth = 10

// checkAny is for the arguments of calls, which are any JSON.
func (d document) checkAny(n ast.Node, path string, object bool, depth int) error {
	if depth > maxDepth {
		return d.refuse(n, "%s: deeper than %d levels", nameOf(path), maxDepth)
	}
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		return d.refuse(n, "scenarios have no anchors, aliases and tags; write it out")
	case *ast.MappingNode, *ast.MappingValueNode:
		values, _ := pairs(n)
		for _, v := range values {
			if _, ok := v.Key.(*ast.StringNode); !ok {
				return d.refuse(v.Key, "%s: a name has to stand here; put it in quotes", nameOf(path))
			}
			if err := d.checkAny(v.Value, path, false, depth+1); err != nil {
				return err
			}
		}
		return nil
	case *ast.SequenceNode:
		if object {
			break
		}
		for _, v := range n.Values {
			if err := d.checkAny(v, path, false, depth+1); err != nil {
				return err
			}
		}
		return nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.LiteralNode, *ast.NullNode:
		if !object {
			return nil
		}
	}
	return d.refuse(n, "%s: names and values are wanted, such as {limit: 3}, not %s", nameOf(path), describe(n))
}

// nameOf is a path as people say it.
func nameOf(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// wanted is what a type takes, with an example.
func wanted(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == durationType:
		return "a duration is wanted, such as 30s or 1m30s"
	case t.Kind() == reflect.Struct:
		return "a mapping is wanted, of " + strings.Join(fields(t), ", ")
	case t.Kind() == reflect.Slice:
		return "a list is wanted, each entry after a dash"
	case t.Kind() == reflect.Int:
		return "a whole number is wanted"
	case t.Kind() == reflect.Float64:
		return "a number is wanted"
	case t.Kind() == reflect.Bool:
		return "true or false is wanted"
	case t.Kind() == reflect.String:
		return "a text is wanted, in quotes if it looks like a number"
	}
	return "names and values are wanted, such as {limit: 3}"
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", clip(n.GetToken().Value))
}

func clip(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
