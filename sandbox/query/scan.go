package query

import (
	"regexp"
	"strings"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenOpen
	tokenClose
	tokenAnd
	tokenOr
	tokenNot
	tokenTerm // key:value
	tokenWord // free text, bare
	tokenText // free text, quoted
)

type token struct {
	span
	kind tokenKind
	term *term // for tokenTerm
	text string
}

// A term is one condition: a key, a comparison and its values; or free text,
// which has no key and one value.
type term struct {
	span
	key    key
	neg    bool
	op     string // = > >= < <=
	values []value
	list   bool // written with brackets
}

// A key names what a term is about: a field or a function of fields.
type key struct {
	name   string
	tag    bool // written as tags[name]: never a column of that name
	number bool // written as tags[name,number]
	call   *call
}

type call struct {
	name string
	args []string
}

// A value is as it was written, without its outer quotes: * is a wildcard, \*
// an asterisk, \\ a backslash.
type value string

var (
	operators = map[string]tokenKind{"AND": tokenAnd, "OR": tokenOr, "NOT": tokenNot}
	// Longest first: > would hide >=.
	comparisons = []string{">=", "<=", "!=", ">", "<", "="}

	identifier = regexp.MustCompile(`^[A-Za-z_][\w.-]*`)
	bracketed  = regexp.MustCompile(`^\[\s*(?:"([^"\]]+)"|([^",\]\s]+))\s*(,\s*(?:number|string)\s*)?\]`)
	// attribute is what may be inlined in SQL, within the double quotes of a
	// JSON path: it matches no quote and no backslash.
	attribute = regexp.MustCompile(`^[A-Za-z_][\w.:/@-]{0,199}$`)
)

const badName = "a key may have letters, digits and _ . : / @ -, and starts with a letter or _"

type scanner struct {
	src string
	pos int
}

func (s *scanner) rest() string { return s.src[s.pos:] }

func (s *scanner) at(c byte) bool { return s.pos < len(s.src) && s.src[s.pos] == c }

func (s *scanner) since(from int) span { return spanOf(s.src, from, s.pos) }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *scanner) skipSpace() {
	for s.pos < len(s.src) && isSpace(s.src[s.pos]) {
		s.pos++
	}
}

func (s *scanner) next() (token, error) {
	s.skipSpace()
	from := s.pos
	switch {
	case s.pos == len(s.src):
		return token{span: s.since(from), kind: tokenEnd}, nil
	case s.at('('):
		s.pos++
		return token{span: s.since(from), kind: tokenOpen}, nil
	case s.at(')'):
		s.pos++
		return token{span: s.since(from), kind: tokenClose}, nil
	}
	if kind := s.operator(); kind != tokenEnd {
		return token{span: s.since(from), kind: kind}, nil
	}
	neg := s.at('!')
	if neg {
		s.pos++
	}
	if k, ok, err := s.termKey(); err != nil {
		return token{}, err
	} else if ok {
		return s.term(from, neg, k)
	}
	s.pos = from
	return s.freeText()
}

func (s *scanner) operator() tokenKind {
	for word, kind := range operators {
		after, ok := strings.CutPrefix(s.rest(), word)
		if ok && (after == "" || isSpace(after[0]) || after[0] == '(' || after[0] == ')') {
			s.pos += len(word)
			return kind
		}
	}
	return tokenEnd
}

// termKey reads a key and its colon. Without a colon it is not a key but text,
// and the caller goes back.
func (s *scanner) termKey() (key, bool, error) {
	from := s.pos
	k := key{}
	if s.at('"') {
		name, err := s.quoted()
		if err != nil || !s.at(':') {
			return key{}, false, nil // free text meets the same quotes, and reports them
		}
		k.name = string(name)
	} else {
		var ok bool
		if k, ok = s.key(); !ok || !s.at(':') {
			return key{}, false, nil
		}
	}
	if k.call == nil && !attribute.MatchString(k.name) {
		return key{}, false, s.since(from).errorf(badName)
	}
	s.pos++
	return k, true, nil
}

// key reads name, tags[name], flags["name"] or name(arguments).
func (s *scanner) key() (key, bool) {
	name := identifier.FindString(s.rest())
	if name == "" {
		return key{}, false
	}
	s.pos += len(name)
	switch {
	case s.at('['):
		m := bracketed.FindStringSubmatch(s.rest())
		if m == nil || name != "tags" && name != "flags" {
			return key{}, false
		}
		s.pos += len(m[0])
		inner := m[1] + m[2]
		if name == "flags" {
			inner = "flags." + inner
		}
		return key{name: inner, tag: true, number: strings.Contains(m[3], "number")}, true
	case s.at('('):
		args, ok := s.arguments()
		return key{name: name, call: &call{name, args}}, ok
	}
	return key{name: name}, true
}

// arguments reads a parenthesized list. A comma or parenthesis in double
// quotes is part of its argument.
func (s *scanner) arguments() ([]string, bool) {
	from, inQuotes := s.pos+1, false
	var args []string
	for i := from; i < len(s.src); i++ {
		switch c := s.src[i]; {
		case c == '"':
			inQuotes = !inQuotes
		case inQuotes:
		case c == '(':
			return nil, false
		case c == ',' || c == ')':
			args = append(args, strings.TrimSpace(s.src[from:i]))
			from = i + 1
			if c == ')' {
				s.pos = from
				if len(args) == 1 && args[0] == "" {
					args = nil
				}
				return args, true
			}
		}
	}
	return nil, false
}

func (s *scanner) term(from int, neg bool, k key) (token, error) {
	t := &term{key: k, neg: neg, op: "="}
	for _, op := range comparisons {
		if strings.HasPrefix(s.rest(), op) {
			s.pos += len(op)
			t.op = op
			break
		}
	}
	if t.op == "!=" {
		t.op, t.neg = "=", !neg
	}
	err := s.values(from, t)
	t.span = s.since(from)
	return token{span: t.span, kind: tokenTerm, term: t}, err
}

func (s *scanner) values(from int, t *term) error {
	start := s.pos
	switch {
	case s.at('"'):
		v, err := s.quoted()
		if err != nil {
			return err
		}
		t.values = []value{v}
		if s.pos < len(s.src) && !isSpace(s.src[s.pos]) && !s.at(')') {
			return s.since(start).errorf("a space or a closing parenthesis belongs after the closing quote")
		}
	case s.at('['):
		t.list = true
		return s.list(t)
	case s.at('('):
		return s.since(from).errorf("a value cannot start with a parenthesis; for alternatives write %s[a, b]", s.src[from:start])
	default:
		s.bare()
		if s.pos == start {
			return s.since(from).errorf(`a value is missing; quote text that contains a colon, and ask for presence with has:KEY`)
		}
		t.values = []value{value(s.src[start:s.pos])}
	}
	return nil
}

// bare advances over a value without quotes. Parentheses that it opened itself
// belong to it, as in stack.function:run().
func (s *scanner) bare() {
	for open := 0; s.pos < len(s.src) && !isSpace(s.src[s.pos]); s.pos++ {
		if s.at('(') {
			open++
		} else if s.at(')') {
			if open == 0 {
				return
			}
			open--
		}
	}
}

// quoted reads from an opening quote to past the closing one.
func (s *scanner) quoted() (value, error) {
	from := s.pos
	var b strings.Builder
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch {
		case s.at('"'):
			s.pos++
			return value(b.String()), nil
		case s.at('\\') && s.pos+1 < len(s.src):
			s.pos++
			if !s.at('"') {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s.src[s.pos])
	}
	return "", s.since(from).errorf("the closing quote is missing")
}

func (s *scanner) list(t *term) error {
	from := s.pos
	for s.pos++; ; s.pos++ {
		s.skipSpace()
		start := s.pos
		var v value
		if s.at('"') {
			var err error
			if v, err = s.quoted(); err != nil {
				return err
			}
		} else {
			for s.pos < len(s.src) && !s.at(',') && !s.at(']') {
				s.pos++
			}
			v = value(strings.TrimSpace(s.src[start:s.pos]))
		}
		quoted := s.pos > start && s.src[start] == '"'
		s.skipSpace()
		switch {
		case s.pos == len(s.src):
			return s.since(from).errorf("the closing bracket of the list is missing")
		case !s.at(',') && !s.at(']'):
			return s.since(start).errorf("a comma or the closing bracket belongs after the closing quote")
		case v == "" && !quoted:
			s.pos++
			return s.since(from).errorf("the list has an empty place")
		}
		t.values = append(t.values, v)
		if s.at(']') {
			s.pos++
			return nil
		}
	}
}

func (s *scanner) freeText() (token, error) {
	from := s.pos
	if s.at('"') {
		v, err := s.quoted()
		return token{span: s.since(from), kind: tokenText, text: string(v)}, err
	}
	for s.pos < len(s.src) && !isSpace(s.src[s.pos]) && !s.at('(') && !s.at(')') {
		s.pos++
	}
	return token{span: s.since(from), kind: tokenWord, text: s.src[from:s.pos]}, nil
}
