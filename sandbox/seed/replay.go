package seed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// visit is a replay of somebody whom the story happened to: they open the cart,
// and click in vain until they give up.
type visit struct {
	moment int // of the story
	clicks int
}

func (t *teller) recorded(moment int) bool {
	return slices.ContainsFunc(t.project.replays, func(v visit) bool { return v.moment == moment })
}

func (t *teller) replayID(moment int) string { return t.hex(32, "replay", moment) }

// record sends a visit in two segments: what it was like before it failed, and
// after.
func (t *teller) record(v visit) {
	failed, id := t.moment(v.moment).Add(700*time.Millisecond), t.replayID(v.moment)
	page := t.project.site + "/cart"
	began := failed.Add(-20 * time.Second)
	t.segment(v, id, 0, began, failed.Add(-time.Second), page, []any{
		rrweb(4, began, object{"href": page, "width": 1280, "height": 800}),
		rrweb(2, began, object{"node": cartPage(), "initialOffset": object{"left": 0, "top": 0}}),
		crumb(began, "navigation", "", object{"to": page}),
		crumb(failed.Add(-4*time.Second), "ui.click", "main > button#apply-coupon", object{}),
	})
	var clicks []any
	for i := range v.clicks {
		clicks = append(clicks, crumb(failed.Add(time.Duration(i)*400*time.Millisecond), "ui.click", "main > button#pay", object{}))
	}
	clicks = append(clicks, crumb(failed.Add(9*time.Second), "ui.slowClickDetected", "main > button#pay", object{
		"clickCount": v.clicks, "endReason": "timeout", "timeAfterClickMs": 7000, "url": page,
		"node": object{"tagName": "button", "textContent": "Pay", "attributes": object{"id": "pay"}},
	}))
	t.segment(v, id, 1, failed, failed.Add(12*time.Second), page, clicks)
}

func (t *teller) segment(v visit, id string, n int, from, to time.Time, page string, events []any) {
	who := pick(t.project.story.to, v.moment)
	told := object{
		"type": "replay_event", "replay_id": id, "segment_id": n, "replay_start_timestamp": unix(from), "timestamp": unix(to), "urls": []string{page},
		"trace_ids": []string{t.storyTrace(v.moment)}, "error_ids": []string{}, "replay_type": "buffer", "platform": t.platform(), "environment": environment(""),
		"release": t.running(to), "tags": object{"mark": t.mark}, "user": object{"id": who.id, "email": who.email, "ip_address": who.ip},
		"sdk":     t.sdk(),
		"request": object{"url": page, "headers": object{"User-Agent": userAgent}},
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	recording := fmt.Sprintf("{\"segment_id\":%d}\n%s", n, encoded(events))
	for _, part := range []any{object{"event_id": id}, object{"type": "replay_event"}, told, object{"type": "replay_recording", "length": len(recording)}} {
		if err := enc.Encode(part); err != nil {
			panic(fmt.Sprintf("seed: %v", err)) // the data are constants
		}
	}
	t.steps = append(t.steps, Step{At: to, Envelope: []byte(b.String() + recording + "\n")})
}

func encoded(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("seed: %v", err)) // the data are constants
	}
	return string(raw)
}

// rrweb is an event of a recording.
func rrweb(kind int, at time.Time, data object) object {
	return object{"type": kind, "timestamp": at.UnixMilli(), "data": data}
}

// crumb is one that holds a breadcrumb.
func crumb(at time.Time, category, message string, data object) object {
	return rrweb(5, at, object{"tag": "breadcrumb", "payload": object{"timestamp": unix(at), "type": "default", "category": category, "message": message, "data": data}})
}

// cartPage is the page as rrweb describes it: a cart without a total.
func cartPage() object {
	id := 0
	node := func(kind int, tag string, attributes object, children ...any) object {
		id++
		return object{"type": kind, "id": id, "tagName": tag, "attributes": attributes, "childNodes": children}
	}
	words := func(s string) object { id++; return object{"type": 3, "id": id, "textContent": s} }
	return object{"type": 0, "id": 100, "childNodes": []any{
		node(2, "html", object{}, node(2, "body", object{}, node(2, "main", object{},
			node(2, "h1", object{}, words("Your cart")), node(2, "p", object{"id": "total"}),
			node(2, "button", object{"id": "apply-coupon"}, words("Add coupon")), node(2, "button", object{"id": "pay"}, words("Pay"))))),
	}}
}
