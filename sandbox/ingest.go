package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"roundhouse/sandbox/payload"
)

// maxItem and maxEvent bound what is decoded at once: JSON grows several times
// in memory. Of an event Sentry takes no more, either.
const (
	maxItem  = 5 << 20
	maxEvent = 1 << 20
	maxAttrs = 64 << 10 // of an item, all together
)

// batch is one envelope on its way into the database. It is read first, which
// may go on beside other batches, and then stored, within one transaction.
type batch struct {
	payload.Arrival
	ctx     context.Context
	tx      querier // nil while the envelope is read
	project project
	stored  int64          // items
	bytes   int64          // of what is stored
	held    int            // bytes of rows that are read and not stored
	answer  string         // the id to answer with
	steps   []func() error // of storing what is read

	tags    payload.Object // of what the sandbox makes of it
	noticed int            // runs that did not take place
}

// badPayload is an error of the sender's, to be answered with 400.
type badPayload struct{ err error }

func (e *badPayload) Error() string { return e.err.Error() }
func (e *badPayload) Unwrap() error { return e.err }

// ingest stores an envelope and returns the id to answer with: the envelope's,
// or else that of its first event.
func (b *batch) ingest(env *payload.Envelope) (string, error) {
	if err := b.read(env); err != nil {
		return "", err
	}
	return b.store()
}

// read does what needs no database, and leaves the rest to store. Types that are
// not kept are accepted and dropped, as SDKs expect.
func (b *batch) read(env *payload.Envelope) error {
	b.answer = env.EventID
	for i, item := range env.Items {
		failed := func(err error) error {
			return fmt.Errorf("item %d (%s): %w", i+1, payload.Clip(item.Kind, 50), err)
		}
		if limit := sizeLimit(item.Kind); len(item.Payload) > limit && kept[item.Kind] {
			return failed(refuse(http.StatusRequestEntityTooLarge, "the %s item is larger than %d bytes", item.Kind, limit))
		}
		done, err := b.telemetry(env.EventID, item)
		if err != nil {
			return failed(err)
		}
		if done || !kept[item.Kind] {
			continue
		}
		err = b.do(func() error {
			id, err := b.item(env.EventID, item)
			if err != nil {
				return failed(err)
			}
			b.answer = cmp.Or(b.answer, id)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func sizeLimit(kind string) int {
	switch kind {
	case "event", "transaction", "feedback":
		return maxEvent
	}
	return maxItem
}

// do runs what needs the database: now, or once there is a transaction.
func (b *batch) do(step func() error) error {
	if b.tx == nil {
		b.steps = append(b.steps, step)
		return nil
	}
	return step()
}

// store does what was left to do, and returns the id to answer with. When what it
// did is undone, it may be called again.
func (b *batch) store() (string, error) {
	defer func(before string) { b.answer = before }(b.answer)
	for _, step := range b.steps {
		if err := step(); err != nil {
			return "", err
		}
	}
	return cmp.Or(b.answer, randomHex(16)), nil
}

// kept are the types that are stored.
var kept = map[string]bool{"event": true, "transaction": true, "span": true, "log": true, "trace_metric": true, "check_in": true, "feedback": true, "user_report": true, "attachment": true,
	"profile": true, "profile_chunk": true, "replay_event": true, "replay_recording": true, "session": true, "sessions": true}

// telemetry reads the types that come in masses. What they have to do in the
// database goes through do; done is false for any other type.
func (b *batch) telemetry(envelopeID string, item payload.Item) (done bool, err error) {
	switch item.Kind {
	case "event", "transaction":
		id, ev, err := readEvent(envelopeID, item.Payload)
		if err != nil {
			return true, err
		}
		b.answer = cmp.Or(b.answer, id)
		if item.Kind == "transaction" {
			return true, b.transaction(id, ev)
		}
		return true, b.event(id, ev)
	case "span":
		return true, b.spans(item.Payload)
	case "log":
		return true, b.logs(item.Payload)
	case "replay_event":
		return true, b.replayEvent(envelopeID, item.Payload)
	case "replay_recording":
		return true, b.replayRecording(envelopeID, item.Payload)
	case "session":
		return true, b.session(item.Payload)
	case "sessions":
		return true, b.sessions(item.Payload)
	case "trace_metric":
		return true, b.metrics(item.Payload)
	case "profile", "profile_chunk":
		return true, b.profile(item.Payload)
	}
	return false, nil
}

// item stores an item of any other type, in the transaction, and returns the id
// of what is an event.
func (b *batch) item(envelopeID string, item payload.Item) (id string, err error) {
	switch item.Kind {
	case "feedback":
		id, ev, err := readEvent(envelopeID, item.Payload)
		if err != nil {
			return "", err
		}
		return id, b.feedback(id, ev)
	case "attachment":
		return "", b.attach(envelopeID, item)
	case "user_report":
		return "", b.userReport(item.Payload)
	case "check_in":
		if id, err = b.checkIn(item.Payload); errors.Is(err, errNoMonitor) {
			return "", b.keepEarly(item.Payload)
		}
		return id, err
	}
	return "", nil
}

func readEvent(envelopeID string, raw []byte) (id string, ev payload.Object, err error) {
	if ev, err = payload.ParseObject(raw); err == nil {
		delete(ev, "occurrence") // only the sandbox itself may say so
		id, err = idOf(ev, envelopeID)
	}
	if err != nil {
		return "", nil, &badPayload{err}
	}
	return id, ev, nil
}

// idOf is what the event is known by: the envelope's id, or else its own.
func idOf(ev payload.Object, envelopeID string) (string, error) {
	if own := payload.Text(ev["event_id"]); envelopeID == "" && own != "" {
		return payload.ParseEventID(own)
	}
	return cmp.Or(envelopeID, randomHex(16)), nil
}

func (b *batch) event(id string, ev payload.Object) error {
	payload.Prepare(ev, id, b.Arrival)
	seen := sightingOf(ev)
	trace, replay := payload.AsObject(payload.At(ev, "contexts", "trace")), payload.HexID(payload.At(ev, "tags", "replayId"), 32)
	it := item{kind: itemKind(ev), event: id, ts: seen.ts, attrs: payload.ErrorAttrs(ev), body: ev,
		trace: cmp.Or(payload.HexID(trace["trace_id"], 32), payload.HexID(b.Trace["trace_id"], 32)), span: payload.HexID(trace["span_id"], 16)}
	row, err := it.encode()
	if err != nil {
		return err
	}
	b.held += len(row.attrs) + len(row.body)
	return b.do(func() error {
		var known bool
		err := b.tx.QueryRowContext(b.ctx, "SELECT EXISTS (SELECT 1 FROM item WHERE event_id = ? AND event_id <> '' AND project = ? AND issue IS NOT NULL)",
			id, b.project.id).Scan(&known)
		if err != nil || known { // SDKs send again what they think was lost
			return err
		}
		if err := b.release(seen.release, true); err != nil {
			return err
		}
		if row.issue, err = b.sighted(seen); err != nil {
			return fmt.Errorf("issue: %w", err)
		}
		if err := b.insertRow(row); err != nil {
			return err
		}
		return b.linkReplay(replay, id, seen.level)
	})
}

// spanCount is the attribute of a transaction that says how many spans came in it,
// its root among them.
const spanCount = "sentry.spans"

func (b *batch) transaction(id string, ev payload.Object) error {
	ev["level"] = cmp.Or(payload.Text(ev["level"]), "info") // only of an error is "error" the default
	payload.Prepare(ev, id, b.Arrival)
	spans := payload.TransactionSpans(ev, b.Received)
	if len(spans) == 0 {
		return &badPayload{errors.New("no trace_id or span_id in contexts.trace")}
	}
	release := payload.Text(ev["release"])
	if err := b.do(func() error { return b.release(release, true) }); err != nil {
		return err
	}
	root, attrs := spans[0], maps.Clone(spans[0].Attrs)
	attrs[spanCount] = int64(len(spans))
	delete(ev, "spans") // they have rows of their own
	row := item{kind: "transaction", event: id, trace: root.Trace, span: root.ID, ts: seconds(root.End), attrs: attrs, body: ev}
	if err := b.insert(row); err != nil {
		return err
	}
	for i, sp := range spans {
		event := ""
		if i == 0 {
			event = id
		}
		if err := b.insertSpan(sp, event); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) insertSpan(sp payload.Span, event string) error {
	b.inherit(sp.Attrs)
	return b.insert(item{kind: "span", event: event, trace: sp.Trace, span: sp.ID, ts: seconds(sp.Start), attrs: sp.Attrs})
}

// spans stores a container of spans in the second form, or one bare span in
// the first.
func (b *batch) spans(raw []byte) error {
	o, err := payload.ParseObject(raw)
	if err != nil {
		return &badPayload{err}
	}
	list, read := []payload.Object{o}, payload.SpanV1
	if o["items"] != nil {
		read = payload.SpanV2
		if list, err = payload.Contained(o); err != nil {
			return &badPayload{err}
		}
	}
	for _, o := range list {
		o["attributes"], o["data"] = payload.Unwrap(payload.AsObject(o["attributes"])), payload.Unwrap(payload.AsObject(o["data"]))
		payload.Scrub(o)
		sp, ok := read(o, b.Received)
		if !ok {
			return &badPayload{errors.New("a span without a trace_id of 32 or a span_id of 16 hex digits")}
		}
		if err := b.insertSpan(sp, ""); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) logs(raw []byte) error {
	list, err := payload.ParseContainer(raw)
	if err != nil {
		return &badPayload{err}
	}
	id := b.itemIDs(raw)
	for i, o := range list {
		o["attributes"] = payload.Unwrap(payload.AsObject(o["attributes"]))
		payload.Scrub(o)
		a := payload.LogAttrs(o)
		b.inherit(a)
		row := item{kind: "log", event: id(i), ts: seconds(payload.EventTime(o["timestamp"], b.Received)), attrs: a,
			trace: payload.HexID(o["trace_id"], 32), span: cmp.Or(payload.HexID(o["span_id"], 16), payload.HexID(a["trace.parent_span"], 16))}
		a.Set("sentry.item_id", row.event)
		if err := b.insert(row); err != nil {
			return err
		}
	}
	return nil
}

// itemIDs gives each item of a container an id. The ids are made of what was
// sent and when, so that the seed is the same each time. The time comes first: an
// index of ids that arrive in their order is written at its end, and one of ids in
// no order everywhere.
func (b *batch) itemIDs(raw []byte) func(i int) string {
	sum := sha256.Sum256(append([]byte(strconv.FormatInt(b.project.id, 10)+" "), raw...))
	return func(i int) string { return fmt.Sprintf("%016x%04x%x", b.Received.UnixNano(), i, sum[:6]) }
}

// inherit sets what an item of a container has from the envelope alone.
func (b *batch) inherit(a payload.Attrs) {
	a.Set("environment", cmp.Or(payload.Text(b.Trace["environment"]), "production"))
	a.Set("release", payload.Text(b.Trace["release"]))
}

// item is a row of telemetry.
type item struct {
	kind               string
	issue              int64 // 0: none
	event, trace, span string
	ts                 float64
	attrs              payload.Attrs
	body               payload.Object // may be nil
}

// row is an item as it is stored.
type row struct {
	item
	attrs, body []byte
}

func (it item) encode() (row, error) {
	r := row{item: it, attrs: it.attrs.JSONB()}
	if len(r.attrs) > maxAttrs {
		it.attrs.Fit(maxAttrs)
		r.attrs = it.attrs.JSONB()
	}
	if it.body != nil {
		var err error
		if r.body, err = payload.JSON(it.body); err != nil {
			return row{}, fmt.Errorf("encode body: %w", err)
		}
		if r.body, err = payload.Pack(r.body); err != nil {
			return row{}, fmt.Errorf("encode body: %w", err)
		}
	}
	r.item.attrs, r.item.body = nil, nil // they are large, and a row may wait
	return r, nil
}

func (b *batch) insert(it item) error {
	r, err := it.encode()
	if err != nil {
		return err
	}
	b.held += len(r.attrs) + len(r.body)
	return b.do(func() error { return b.insertRow(r) })
}

func (b *batch) insertRow(r row) error {
	_, err := b.tx.ExecContext(b.ctx, `INSERT INTO item(kind, project, issue, event_id, trace_id, span_id, ts, attrs, body)
		VALUES (?, ?, nullif(?, 0), ?, ?, ?, ?, ?, ?)`,
		r.kind, b.project.id, r.issue, r.event, r.trace, r.span, r.ts, r.attrs, r.body)
	if err != nil {
		return fmt.Errorf("insert %s: %w", r.kind, err)
	}
	b.stored++
	b.bytes += int64(len(r.attrs) + len(r.body))
	return nil
}

// timestamp of a normalized event.
func timestamp(ev payload.Object) float64 {
	ts, _ := ev["timestamp"].(float64)
	return ts
}

// release notes that a release was seen in the project: in an event, or
// otherwise.
func (b *batch) release(version string, event bool) error {
	if version == "" {
		return nil
	}
	now := seconds(b.Received)
	_, err := b.tx.ExecContext(b.ctx, "INSERT INTO release(org, version, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		b.project.org, version, now)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	err = seenRelease(b.ctx, b.tx, b.project.org, b.project.id, version, now, event)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// ingestEnvelope stores an envelope that arrived now, whole or not at all. It
// calls done, if that is not nil, once what waits to be stored is all there is,
// and not large.
func (s *Sandbox) ingestEnvelope(ctx context.Context, p project, env *payload.Envelope, remote string, done func()) (string, error) {
	b := &batch{Arrival: payload.Arrival{Received: s.now(), Remote: remote, Trace: env.Trace}, project: p}
	if err := b.read(env); err != nil {
		return "", err
	}
	if done != nil && b.held <= maxHeld {
		leave, err := s.intake.storing.enter(ctx)
		if err != nil {
			return "", err
		}
		defer leave()
		done()
	}
	id, err := s.commit(ctx, b)
	if err == nil {
		s.arrive(ctx, b)
	}
	return id, err
}
