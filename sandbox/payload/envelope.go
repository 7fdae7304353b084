package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	maxEnvelopeItems  = 1000
	maxContainerItems = 10_000
	maxHeaderLine     = 64 << 10
	maxDepth          = 200
)

// Envelope is what an SDK sends: a header and items.
type Envelope struct {
	EventID string // 32 hex digits, "" when not given
	DSN     string
	Trace   Object // the dynamic sampling context; may be nil
	Items   []Item
}

// Item is one part of an envelope.
type Item struct {
	Kind    string
	Header  Object // may be nil
	Payload []byte
}

// ParseEnvelope reads lines of JSON headers, each item's header followed by
// its payload: of the length that the header gives, or up to the next newline.
func ParseEnvelope(raw []byte) (*Envelope, error) {
	line, rest := cutLine(raw)
	header, err := parseHeader(line)
	if err != nil {
		return nil, fmt.Errorf("envelope header: %w", err)
	}
	env := &Envelope{DSN: Text(header["dsn"]), Trace: AsObject(header["trace"])}
	if id := Text(header["event_id"]); id != "" {
		if env.EventID, err = ParseEventID(id); err != nil {
			return nil, fmt.Errorf("envelope header: %w", err)
		}
	}
	for len(rest) > 0 {
		if rest[0] == '\n' { // an empty line between items, or at the end
			rest = rest[1:]
			continue
		}
		if len(env.Items) == maxEnvelopeItems {
			return nil, fmt.Errorf("more than %d items", maxEnvelopeItems)
		}
		var item Item
		if item, rest, err = parseItem(rest); err != nil {
			return nil, fmt.Errorf("item %d: %w", len(env.Items)+1, err)
		}
		env.Items = append(env.Items, item)
	}
	return env, nil
}

func parseItem(raw []byte) (item Item, rest []byte, err error) {
	line, rest := cutLine(raw)
	header, err := parseHeader(line)
	if err != nil {
		return item, nil, fmt.Errorf("header: %w", err)
	}
	if item.Kind = Text(header["type"]); item.Kind == "" {
		return item, nil, errors.New("header: no type")
	}
	item.Header = header
	given, ok := header["length"].(json.Number)
	if !ok {
		item.Payload, rest = cutLine(rest)
		return item, rest, nil
	}
	length, err := given.Int64()
	if err != nil || length < 0 || length > int64(len(rest)) {
		return item, nil, fmt.Errorf("length %s, but %d bytes follow", Clip(given.String(), 20), len(rest))
	}
	item.Payload, rest = rest[:length], rest[length:]
	if len(rest) > 0 && rest[0] != '\n' {
		return item, nil, fmt.Errorf("no newline after the %d bytes of the payload", length)
	}
	return item, bytes.TrimPrefix(rest, []byte("\n")), nil
}

func cutLine(raw []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(raw, []byte("\n"))
	return line, rest
}

func parseHeader(line []byte) (Object, error) {
	if len(line) > maxHeaderLine {
		return nil, fmt.Errorf("longer than %d bytes", maxHeaderLine)
	}
	return ParseObject(line)
}

// ParseObject reads one JSON object and nothing after it.
func ParseObject(raw []byte) (Object, error) {
	if o, ok := decodeObject(raw); ok {
		return o, nil
	}
	if deep(raw) {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var o Object
	if err := dec.Decode(&o); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if o == nil {
		return nil, errors.New("not a JSON object: null")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

// deep tells JSON that is nested deeper than anything means. SQLite reads no
// deeper than 1,000, and what is stored has to be read again.
func deep(raw []byte) bool {
	depth, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// ParseEventID takes 32 hex digits, with dashes or without.
func ParseEventID(s string) (string, error) {
	id := HexID(s, 32)
	if id == "" {
		return "", fmt.Errorf("event_id %q is not 32 hex digits", Clip(s, 50))
	}
	return id, nil
}
