package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const (
	maxArgumentText = 8 << 10 // bytes of one string
	maxArguments    = 64
	maxProblems     = 5       // told at once
	maxExact        = 1 << 53 // above it not every integer is a float64
)

// arguments turns what the client sent into what the handler decodes: nulls
// dropped, strings trimmed, names known, pinned values checked and put in,
// defaults filled in, everything validated. The error is an *inputError.
func (n *narrowed) arguments(env Env, raw json.RawMessage) ([]byte, error) {
	values, err := decodeArguments(raw)
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		switch {
		case value == nil:
			delete(values, name) // models send null for "not given"
		case slices.Contains(n.pins, name):
			if err := n.checkPinned(env, name, value); err != nil {
				return nil, err
			}
			delete(values, name)
		case n.parameters.property(name) == nil:
			return nil, n.unknown(name)
		}
	}
	for _, p := range n.parameters.properties {
		value, ok := values[p.name]
		text, isText := value.(string)
		switch {
		case tooLong(value):
			return nil, &inputError{word(p.name), "is too long", textf("Send at most %s bytes.", number(maxArgumentText))}
		case isText && p.jsonType == "array":
			values[p.name] = []any{text} // one value for a list of one
		case ok && p.jsonType == "integer":
			values[p.name] = wholeNumber(value)
		case !ok && p.fallback != nil:
			values[p.name] = p.fallback
		case isText:
			values[p.name] = strings.TrimSpace(text)
		}
	}
	if err := n.validate(values); err != nil {
		return nil, err
	}
	for _, name := range n.pins {
		values[name] = fixedValue(env, name)
	}
	return json.Marshal(values)
}

// wholeNumber writes an integer as Go decodes it. Models also send 10.0, 1e1
// and "10", which JSON Schema takes for integers, or nearly. Anything else
// stays as it is, for the validator to refuse.
func wholeNumber(value any) any {
	var text string
	switch v := value.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return json.Number(strconv.FormatInt(n, 10))
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > maxExact {
		return value
	}
	return json.Number(strconv.FormatInt(int64(f), 10))
}

func tooLong(value any) bool {
	switch v := value.(type) {
	case string:
		return len(v) > maxArgumentText
	case []any:
		return slices.ContainsFunc(v, tooLong)
	}
	return false
}

func decodeArguments(raw json.RawMessage) (map[string]any, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return map[string]any{}, nil
	}
	var values map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, &inputError{"arguments", "must be a JSON object", "Send the parameters by name."}
	}
	if len(values) > maxArguments {
		return nil, &inputError{"arguments", "has too many members", ""}
	}
	return values, nil
}

// checkPinned accepts a value that repeats what the key says and refuses every
// other: to drop it silently would answer a question that was not asked.
func (n *narrowed) checkPinned(env Env, name string, value any) error {
	want := fixedValue(env, name)
	got := fmt.Sprint(value)
	if got == want || name == "projectSlugOrId" && env.ProjectID != "" && got == env.ProjectID {
		return nil
	}
	return &inputError{word(name), "cannot be changed here", textf(
		"This connection is confined to %s. Leave %s out; to look elsewhere, a connection to another URL is needed.",
		place(env.Key), word(name))}
}

func (n *narrowed) unknown(name string) error {
	var known []string
	for _, p := range n.parameters.properties {
		known = append(known, p.name)
	}
	fix := textf("%s takes no parameters.", word(n.Name))
	if near := nearest(name, known); near != "" {
		fix = textf("Did you mean %s?", word(near))
	} else if len(known) > 0 {
		fix = "Known parameters: " + words(known) + "."
	}
	return &inputError{inline(name), "is not a parameter of " + word(n.Name), fix}
}

func (n *narrowed) validate(values map[string]any) error {
	err := n.validator().Validate(plain(values))
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var problems []markdown
	for leaf := range leaves(invalid) {
		if len(problems) < maxProblems {
			problems = append(problems, n.explain(leaf))
		}
	}
	slices.Sort(problems)
	return &inputError{"", join(problems, "; "), ""}
}

// plain replaces the raw defaults, which the validator does not know.
func plain(values map[string]any) map[string]any {
	clone := make(map[string]any, len(values))
	for name, value := range values {
		if raw, ok := value.(json.RawMessage); ok {
			value, _ = jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		}
		clone[name] = value
	}
	return clone
}

func leaves(e *jsonschema.ValidationError) func(yield func(*jsonschema.ValidationError) bool) {
	return func(yield func(*jsonschema.ValidationError) bool) {
		var walk func(*jsonschema.ValidationError) bool
		walk = func(e *jsonschema.ValidationError) bool {
			if len(e.Causes) == 0 {
				return yield(e)
			}
			for _, cause := range e.Causes {
				if !walk(cause) {
					return false
				}
			}
			return true
		}
		walk(e)
	}
}

func (n *narrowed) explain(e *jsonschema.ValidationError) markdown {
	where := word(strings.Join(e.InstanceLocation, "."))
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return words(k.Missing) + " is required"
	case *kind.Type:
		return textf("%s must be of type %s, not %s", where, words(k.Want), word(k.Got))
	case *kind.Enum:
		return textf("%s cannot be %s; supported: %s", where, inline(fmt.Sprint(k.Got)), list(k.Want))
	case *kind.Minimum:
		return textf("%s must be at least %s", where, word(k.Want.RatString()))
	case *kind.Maximum:
		return textf("%s must be at most %s", where, word(k.Want.RatString()))
	case *kind.Pattern:
		return where + " must be " + n.parameters.property(e.InstanceLocation[0]).form
	case *kind.MinLength:
		return where + " must have at least " + counted(k.Want, "character")
	case *kind.MaxLength:
		return textf("%s must have at most %s, not %s", where, counted(k.Want, "character"), number(k.Got))
	case *kind.MaxItems:
		return textf("%s must have at most %s entries, not %s", where, number(k.Want), number(k.Got))
	}
	return where + " is not valid: " + inline(e.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
}

func list(values []any) markdown {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return words(texts)
}

// nearest returns the known name that a wrong one was most likely meant to
// be, or "". Of a short name at most half may be wrong: any two differ little.
func nearest(name string, known []string) string {
	best, bestDistance := "", min(max(2, len(name)/3), len(name)/2)+1
	for _, candidate := range known {
		a, b := squash(name), squash(candidate)
		d := distance(a, b)
		if len(a) >= 3 && (strings.HasPrefix(b, a) || strings.HasPrefix(a, b)) {
			d = min(d, 1)
		}
		if d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// squash makes organization_slug and organizationSlug equal.
func squash(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
