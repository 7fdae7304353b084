package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// parse reads the members of a message, and of their values only where they
// end: encoding/json would go through all of a result twice and copy it, which
// cost more than everything else here. What it returns is cut from b.
func parse(b []byte) (m Message, err error) {
	s := scanner{b: b}
	s.space()
	if !s.take('{') {
		return m, s.wrong()
	}
	var seen [len(members)]bool
	s.space()
	for n := 0; !s.take('}'); n++ {
		if n > 0 && !s.take(',') {
			return m, s.wrong()
		}
		s.space()
		name, ok := s.name()
		if !ok {
			return m, s.wrong()
		}
		value, ok := s.value()
		if !ok {
			return m, s.wrong()
		}
		if i := slices.Index(members[:], name); i >= 0 {
			if seen[i] { // which of them a client believes is anybody's guess
				return m, fmt.Errorf("the message has more than one %q", name)
			}
			seen[i] = true
			if err := m.set(name, value); err != nil {
				return m, err
			}
		}
		s.space()
	}
	if s.space(); s.at < len(b) {
		return m, s.wrong()
	}
	return m, nil
}

// members are those of a message that mean something.
var members = [...]string{"jsonrpc", "id", "method", "params", "result", "error"}

func (m *Message) set(name string, value []byte) error {
	switch name {
	case "id":
		m.ID = value
	case "result":
		m.Result = value
	case "params":
		m.Params = value
	case "method":
		return json.Unmarshal(value, &m.Method)
	case "error":
		return json.Unmarshal(value, &m.Error)
	}
	return nil
}

// scanner goes through JSON without looking into it.
type scanner struct {
	b  []byte
	at int
}

func (s *scanner) wrong() error {
	if s.at >= len(s.b) {
		return errors.New("the message is cut off")
	}
	return fmt.Errorf("not a JSON object: byte %d is %q", s.at, s.b[s.at])
}

func (s *scanner) space() {
	for s.at < len(s.b) && isSpace(s.b[s.at]) {
		s.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *scanner) take(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// name reads a member's, and the colon behind.
func (s *scanner) name() (name string, ok bool) {
	from := s.at
	if !s.take('"') || !s.text() {
		return "", false
	}
	if name = memberNamed(s.b[from+1 : s.at-1]); name == "" && json.Unmarshal(s.b[from:s.at], &name) != nil {
		s.at = from
		return "", false
	}
	s.space()
	ok = s.take(':')
	s.space()
	return name, ok
}

// memberNamed spares one that is spelled as usual its decoding; "" for others.
func memberNamed(name []byte) string {
	for _, m := range members {
		if m == string(name) {
			return m
		}
	}
	return ""
}

// text goes to the end of a string whose quotation mark has been taken.
func (s *scanner) text() bool {
	for {
		n := bytes.IndexByte(s.b[s.at:], '"')
		if n < 0 {
			s.at = len(s.b)
			return false
		}
		s.at += n + 1
		escapes := 0
		for i := s.at - 2; s.b[i] == '\\'; i-- { // there is a quotation mark before
			escapes++
		}
		if escapes%2 == 0 {
			return true
		}
	}
}

// maxDepth bounds how deep values are in one another: a bit for each.
const maxDepth = 64

// value goes to the end of a value.
func (s *scanner) value() (raw []byte, ok bool) {
	from := s.at
	var open uint64 // a bit for each object or array that is open, 1 for objects, the innermost last
	for depth := 0; s.at < len(s.b); {
		c := s.b[s.at]
		switch c {
		case '"':
			s.at++
			if !s.text() {
				return nil, false
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return nil, false
			}
			open = open << 1
			if c == '{' {
				open |= 1
			}
			s.at++
			continue
		case '}', ']':
			if depth == 0 || (c == '}') != (open&1 == 1) {
				return nil, false
			}
			depth--
			open >>= 1
			s.at++
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return nil, false
			}
			s.at++
			continue
		default:
			s.word()
		}
		if depth == 0 {
			return s.b[from:s.at:s.at], true
		}
	}
	return nil, false
}

// word goes to the end of a number, true, false or null.
func (s *scanner) word() {
	for s.at < len(s.b) {
		switch c := s.b[s.at]; {
		case isSpace(c), c == ',', c == ':', c == '}', c == ']', c == '"', c == '{', c == '[':
			return
		}
		s.at++
	}
}
