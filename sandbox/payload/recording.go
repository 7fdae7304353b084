package payload

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	maxRecording    = 10 << 20 // bytes of JSON in one segment of a recording
	maxSecretFields = 1000
)

// The kinds of rrweb events, and the sources of incremental ones, that are
// looked into.
const (
	rrwebSnapshot    = 2
	rrwebIncremental = 3
	rrwebCustom      = 5
	sourceMutation   = 0
	sourceInput      = 5
)

// Recording is one segment of a replay: what a page and its user did during
// some seconds.
type Recording struct {
	Segment    int64
	Events     []byte  // a JSON array of rrweb events, scrubbed
	Start, End float64 // Unix seconds of its first and last event; 0 without any
	Clicks     []Click
	Secrets    []int64 // nodes of the page that are fields for secrets, also those known before

	filled map[int64]bool // nodes that got a value and are no such fields as far as is known
}

// Reveals tells whether the recording has what was typed into one of the
// fields: then it has to be parsed again with them.
func (rec *Recording) Reveals(secrets []int64) bool {
	return slices.ContainsFunc(secrets, func(id int64) bool { return rec.filled[id] })
}

// Click is a click or a tap on an element.
type Click struct {
	Tap, Dead, Rage bool
	Selector        string // where the element is
	Element         Object // the element; may be nil
}

// ParseRecording reads a line {"segment_id": n} and, after it, a JSON array
// that may be compressed by zlib. What was typed into a field for secrets does
// not come out again: secrets are the fields known from earlier segments, which
// alone may tell that a node is one.
func ParseRecording(raw []byte, secrets []int64) (*Recording, error) {
	line, rest := cutLine(raw)
	header, err := parseHeader(line)
	if err != nil {
		return nil, fmt.Errorf("recording header: %w", err)
	}
	n, ok := Number(header["segment_id"])
	if !ok || n < 0 || n > 1e6 || n != float64(int64(n)) {
		return nil, errors.New("recording header: no segment_id")
	}
	plain, err := inflate(rest)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	rec := &Recording{Segment: int64(n)}
	p := page{fields: map[int64]bool{}, filled: map[int64]bool{}}
	p.learn(secrets...)
	if err := rec.read(plain, &p); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	rec.Secrets, rec.filled = p.known, p.filled
	return rec, nil
}

func inflate(raw []byte) ([]byte, error) {
	if text := bytes.TrimLeft(raw, " \t\r\n"); len(text) > 0 && text[0] == '[' {
		if len(raw) > maxRecording {
			return nil, errTooLong
		}
		return raw, nil
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("neither a JSON array nor compressed by zlib")
	}
	defer z.Close()
	plain, err := io.ReadAll(io.LimitReader(z, maxRecording+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > maxRecording {
		return nil, errTooLong
	}
	return plain, nil
}

var errTooLong = fmt.Errorf("longer than %d bytes when inflated", maxRecording)

// read takes one event after the other: all of them decoded at once would be
// several times as large.
func (rec *Recording) read(plain []byte, p *page) error {
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errors.New("not a JSON array")
	}
	out := bytes.NewBuffer(make([]byte, 0, len(plain)))
	out.WriteByte('[')
	for first := true; dec.More(); first = false {
		var ev any
		if err := dec.Decode(&ev); err != nil {
			return fmt.Errorf("event: %w", err)
		}
		if o := AsObject(ev); o != nil {
			p.scrub(o)
			rec.note(o)
		}
		one, err := json.Marshal(Scrub(ev))
		if err != nil {
			return fmt.Errorf("event: %w", err)
		}
		if !first {
			out.WriteByte(',')
		}
		out.Write(one)
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("not a JSON array: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON array")
	}
	out.WriteByte(']')
	rec.Events = out.Bytes()
	return nil
}

// note takes down when an event was, and whether it is a click.
func (rec *Recording) note(ev Object) {
	if at, ok := Number(ev["timestamp"]); ok && at > 0 {
		if at > 1e11 { // milliseconds, but for what measures the page
			at /= 1000
		}
		if rec.Start == 0 || at < rec.Start {
			rec.Start = at
		}
		rec.End = max(rec.End, at)
	}
	if kind, _ := Number(ev["type"]); kind != rrwebCustom || TextAt(ev, "data", "tag") != "breadcrumb" {
		return
	}
	if c, ok := clickOf(AsObject(At(ev, "data", "payload"))); ok {
		rec.Clicks = append(rec.Clicks, c)
	}
}

const (
	deadAfter = 7000 // milliseconds without any effect
	rageCount = 5    // clicks
)

// clickOf reads a breadcrumb. A click that has no effect on what is made for
// clicking is a dead one, and several of them are of rage.
func clickOf(crumb Object) (Click, bool) {
	data := AsObject(crumb["data"])
	c := Click{Selector: Clip(Text(crumb["message"]), maxAttrRunes), Element: AsObject(data["node"])}
	switch Text(crumb["category"]) {
	case "ui.click":
		return c, true
	case "ui.tap":
		c.Tap = true
		if c.Element == nil {
			c.Element = data
		}
		return c, true
	case "ui.slowClickDetected":
	default:
		return c, false
	}
	waited, _ := Number(either(data["timeAfterClickMs"], data["timeafterclickms"]))
	times, _ := Number(either(data["clickCount"], data["clickcount"]))
	switch tag := Text(c.Element["tagName"]); {
	case tag != "a" && tag != "button" && tag != "input", Text(data["endReason"]) != "timeout", waited < deadAfter:
		return c, false
	}
	c.Dead, c.Rage = true, times >= rageCount
	return c, true
}

func either(a, b any) any {
	if a != nil {
		return a
	}
	return b
}

// page is what is known of the page that is recorded: which of its nodes are
// fields for secrets. Only their names tell, and only once.
type page struct {
	known  []int64
	fields map[int64]bool
	filled map[int64]bool
}

func (p *page) learn(ids ...int64) {
	for _, id := range ids {
		if !p.fields[id] && len(p.known) < maxSecretFields {
			p.fields[id] = true
			p.known = append(p.known, id)
		}
	}
}

// scrub takes what belongs to fields for secrets out of an event.
func (p *page) scrub(ev Object) {
	data := AsObject(ev["data"])
	kind, _ := Number(ev["type"])
	if kind == rrwebSnapshot {
		p.node(AsObject(data["node"]))
	}
	source, ok := Number(data["source"])
	if kind != rrwebIncremental || !ok {
		return
	}
	switch source {
	case sourceMutation:
		for _, added := range Objects(data["adds"]) {
			p.node(AsObject(added["node"]))
		}
		for _, changed := range Objects(data["attributes"]) {
			p.attributes(changed["id"], AsObject(changed["attributes"]))
		}
	case sourceInput:
		p.fill(data["id"], data, "text")
	}
}

// node looks at a node and all below it.
func (p *page) node(n Object) {
	if n == nil {
		return
	}
	p.attributes(n["id"], AsObject(n["attributes"]))
	for _, child := range Objects(n["childNodes"]) {
		p.node(child)
	}
}

func (p *page) attributes(node any, attributes Object) {
	id, ok := Number(node)
	if !ok {
		return
	}
	for _, name := range []string{"name", "id", "type", "autocomplete", "placeholder", "aria-label"} {
		if namesSecret(Text(attributes[name])) {
			p.learn(int64(id))
		}
	}
	p.fill(id, attributes, "value")
}

// fill looks at the value that a node gets.
func (p *page) fill(node any, in Object, name string) {
	id, ok := Number(node)
	switch {
	case !ok || in[name] == nil:
	case p.fields[int64(id)]:
		in[name] = filter(in[name])
	default:
		p.filled[int64(id)] = true
	}
}
