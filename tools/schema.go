package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// schema is the subset of JSON Schema that every client understands: no
// unions, no references, no nullable types.
//
// Struct tags make it: json names a property, and ",omitempty" makes it
// optional; doc describes it; enum:"a|b", pattern, min, max (of a number, or
// of a string's or list's length) and default refine it. form says in words what
// pattern asks for, to whoever sent something else.
type schema struct {
	jsonType    string
	doc         string
	enum        []string
	pattern     string
	form        markdown // the pattern in words
	min, max    *float64
	fallback    json.RawMessage // the default
	items       *schema
	properties  []property
	required    []string
	closed      bool // no other properties
	anyProperty bool // an object of whatever
}

type property struct {
	name string
	*schema
}

// schemaOf panics for a type that has no schema; it is called at start only.
func schemaOf(t reflect.Type) *schema {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return &schema{jsonType: "string"}
	case reflect.Bool:
		return &schema{jsonType: "boolean"}
	case reflect.Int, reflect.Int64:
		return &schema{jsonType: "integer"}
	case reflect.Float64:
		return &schema{jsonType: "number"}
	case reflect.Slice:
		if t == reflect.TypeFor[json.RawMessage]() {
			return &schema{jsonType: "object", anyProperty: true}
		}
		return &schema{jsonType: "array", items: schemaOf(t.Elem())}
	case reflect.Map:
		return &schema{jsonType: "object", anyProperty: true}
	case reflect.Struct:
		return structSchema(t)
	}
	panic(fmt.Sprintf("tools: no schema for %v", t))
}

func structSchema(t reflect.Type) *schema {
	s := &schema{jsonType: "object"}
	for field := range t.Fields() {
		if field.Anonymous {
			embedded := schemaOf(field.Type)
			s.properties = append(s.properties, embedded.properties...)
			s.required = append(s.required, embedded.required...)
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			panic(fmt.Sprintf("tools: field %s of %v has no JSON name", field.Name, t))
		}
		p := schemaOf(field.Type)
		p.refine(field.Tag)
		s.properties = append(s.properties, property{name, p})
		if !strings.Contains(options, "omit") {
			s.required = append(s.required, name)
		}
	}
	return s
}

func (s *schema) refine(tag reflect.StructTag) {
	s.doc = tag.Get("doc")
	s.pattern, s.form = tag.Get("pattern"), tagText(tag, "form")
	if (s.pattern == "") != (s.form == "") {
		panic(fmt.Sprintf("tools: pattern %q and form %q need each other", s.pattern, s.form))
	}
	s.min, s.max = bound(tag, "min"), bound(tag, "max")
	if values := tag.Get("enum"); values != "" {
		s.enum = strings.Split(values, "|")
	}
	if text, ok := tag.Lookup("default"); ok {
		s.fallback = json.RawMessage(text)
		if s.jsonType == "string" {
			s.fallback = json.RawMessage(strconv.Quote(text))
		}
	}
}

func bound(tag reflect.StructTag, name string) *float64 {
	text := tag.Get(name)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("tools: %s:%q is not a number", name, text))
	}
	return &n
}

// without returns a copy of s that lacks the named properties.
func (s *schema) without(absent map[string]bool) *schema {
	clone := *s
	clone.properties, clone.required = nil, nil
	for _, p := range s.properties {
		if !absent[p.name] {
			clone.properties = append(clone.properties, p)
		}
	}
	for _, name := range s.required {
		if !absent[name] {
			clone.required = append(clone.required, name)
		}
	}
	return &clone
}

func (s *schema) property(name string) *schema {
	for _, p := range s.properties {
		if p.name == name {
			return p.schema
		}
	}
	return nil
}

// MarshalJSON keeps properties in the order of the struct, so that a reader
// of tools/list meets the important ones first.
func (s *schema) MarshalJSON() ([]byte, error) {
	var w objectWriter
	w.field("type", s.jsonType)
	if s.doc != "" {
		w.field("description", s.doc)
	}
	if s.enum != nil {
		w.field("enum", s.enum)
	}
	if s.pattern != "" {
		w.field("pattern", s.pattern)
	}
	low, high := s.boundNames()
	if s.min != nil {
		w.field(low, *s.min)
	}
	if s.max != nil {
		w.field(high, *s.max)
	}
	if s.fallback != nil {
		w.field("default", s.fallback)
	}
	if s.items != nil {
		w.field("items", s.items)
	}
	if s.jsonType == "object" && !s.anyProperty {
		var props objectWriter
		for _, p := range s.properties {
			props.field(p.name, p.schema)
		}
		w.field("properties", json.RawMessage(props.bytes()))
		if len(s.required) > 0 {
			w.field("required", s.required)
		}
		if s.closed {
			w.field("additionalProperties", false)
		}
	}
	return w.bytes(), w.err
}

func (s *schema) boundNames() (low, high string) {
	switch s.jsonType {
	case "string":
		return "minLength", "maxLength"
	case "array":
		return "minItems", "maxItems"
	}
	return "minimum", "maximum"
}

// objectWriter writes a JSON object field by field.
type objectWriter struct {
	buf bytes.Buffer
	err error
}

func (w *objectWriter) field(name string, value any) {
	separator := byte(',')
	if w.buf.Len() == 0 {
		separator = '{'
	}
	w.buf.WriteByte(separator)
	w.buf.WriteString(strconv.Quote(name) + ":")
	encoded, err := encode(value)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.buf.Write(encoded)
}

func (w *objectWriter) bytes() []byte {
	if w.buf.Len() == 0 {
		return []byte("{}")
	}
	return append(w.buf.Bytes(), '}')
}

// encode is json.Marshal that leaves <, > and & as they are: the reader is a
// model, not a browser.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
