package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxEnvelopeItems  = 1000
	maxContainerItems = 10_000
	maxHeaderLine     = 64 << 10
)

// object is a JSON object. Numbers in it are json.Number, so that a long id
// keeps all its digits.
type object = map[string]any

// envelope is what an SDK sends: a header and items.
type envelope struct {
	eventID string // 32 hex digits, "" when not given
	dsn     string
	trace   object // the dynamic sampling context; may be nil
	items   []envelopeItem
}

type envelopeItem struct {
	kind    string
	header  object // may be nil
	payload []byte
}

// parseEnvelope reads lines of JSON headers, each item's header followed by
// its payload: of the length that the header gives, or up to the next newline.
func parseEnvelope(raw []byte) (*envelope, error) {
	line, rest := cutLine(raw)
	header, err := parseHeader(line)
	if err != nil {
		return nil, fmt.Errorf("envelope header: %w", err)
	}
	env := &envelope{dsn: text(header["dsn"]), trace: asObject(header["trace"])}
	if id := text(header["event_id"]); id != "" {
		if env.eventID, err = parseEventID(id); err != nil {
			return nil, fmt.Errorf("envelope header: %w", err)
		}
	}
	for len(rest) > 0 {
		if rest[0] == '\n' { // an empty line between items, or at the end
			rest = rest[1:]
			continue
		}
		if len(env.items) == maxEnvelopeItems {
			return nil, fmt.Errorf("more than %d items", maxEnvelopeItems)
		}
		var item envelopeItem
		if item, rest, err = parseItem(rest); err != nil {
			return nil, fmt.Errorf("item %d: %w", len(env.items)+1, err)
		}
		env.items = append(env.items, item)
	}
	return env, nil
}

func parseItem(raw []byte) (item envelopeItem, rest []byte, err error) {
	line, rest := cutLine(raw)
	header, err := parseHeader(line)
	if err != nil {
		return item, nil, fmt.Errorf("header: %w", err)
	}
	if item.kind = text(header["type"]); item.kind == "" {
		return item, nil, errors.New("header: no type")
	}
	item.header = header
	given, ok := header["length"].(json.Number)
	if !ok {
		item.payload, rest = cutLine(rest)
		return item, rest, nil
	}
	length, err := given.Int64()
	if err != nil || length < 0 || length > int64(len(rest)) {
		return item, nil, fmt.Errorf("length %s, but %d bytes follow", clip(given.String(), 20), len(rest))
	}
	item.payload, rest = rest[:length], rest[length:]
	if len(rest) > 0 && rest[0] != '\n' {
		return item, nil, fmt.Errorf("no newline after the %d bytes of the payload", length)
	}
	return item, bytes.TrimPrefix(rest, []byte("\n")), nil
}

func cutLine(raw []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(raw, []byte("\n"))
	return line, rest
}

func parseHeader(line []byte) (object, error) {
	if len(line) > maxHeaderLine {
		return nil, fmt.Errorf("longer than %d bytes", maxHeaderLine)
	}
	return parseObject(line)
}

func parseObject(raw []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var o object
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

// parseEventID takes 32 hex digits, with dashes or without.
func parseEventID(s string) (string, error) {
	id := hexID(s, 32)
	if id == "" {
		return "", fmt.Errorf("event_id %q is not 32 hex digits", clip(s, 50))
	}
	return id, nil
}

// hexID reads an id of so many hex digits, with dashes or without, in lower
// case; "" when it is not one.
func hexID(v any, digits int) string {
	id := strings.ToLower(strings.ReplaceAll(text(v), "-", ""))
	if !isHex(id, digits) {
		return ""
	}
	return id
}

func isHex(s string, length int) bool {
	if len(s) != length {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
