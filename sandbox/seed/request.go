package seed

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

type (
	// request is a transaction that was served so many times, the latest just
	// now and the others every so often before it. One of the story was served
	// at each of its moments, and failed.
	request struct {
		name, op, method string
		took             time.Duration
		count            int           // not of the story
		every            time.Duration // 0: 100 minutes
		calls            []call
		work             []work // what profiles show; nil: it was never profiled
		story            bool
		inner            bool          // of the story: another project called it
		after            time.Duration // of the story: since its moment
	}
	// call is a span in a request, one after the other.
	call struct {
		op, description string
		took            time.Duration
		onward          bool // of the story: it leads into another project
	}
)

func (t *teller) request(n int, r request) {
	name := fmt.Sprintf("request %d", n)
	if r.story {
		for i := range t.project.story.times {
			t.serve(r, served{name: name, n: i, start: t.moment(i).Add(stretch(r.after, pace(i))), slower: pace(i), trace: t.storyTrace(i), root: t.storySpan(i), status: "internal_error"})
		}
		return
	}
	every := cmp.Or(r.every, 100*time.Minute)
	for i := range r.count {
		end := t.now.Add(-time.Duration(r.count-i) * every).Add(-time.Duration(t.rand.Int64N(int64(every / 2))))
		t.serve(r, served{name: name, n: i, start: end.Add(-2 * r.took), slower: 0.7 + 0.9*t.rand.Float64(), trace: t.hex(32, "trace "+name, i), root: t.hex(16, "root "+name, i), status: "ok"})
	}
}

// served is one time that a request was.
type served struct {
	name        string
	n           int
	start       time.Time
	slower      float64
	trace, root string
	status      string
}

func (t *teller) serve(r request, s served) {
	end := s.start.Add(stretch(r.took, s.slower)).Truncate(time.Microsecond)
	trace := object{"trace_id": s.trace, "span_id": s.root, "op": r.op, "status": s.status}
	if r.inner {
		trace["parent_span_id"] = t.storyCall(s.n)
	}
	var spans []any
	from := s.start.Add(2 * time.Millisecond)
	for j, c := range r.calls {
		to := from.Add(stretch(c.took, s.slower))
		id := t.hex(16, fmt.Sprintf("call %s %d", s.name, j), s.n)
		status := "ok"
		if c.onward {
			id, status = t.storyCall(s.n), s.status
		}
		spans = append(spans, object{"trace_id": s.trace, "span_id": id, "parent_span_id": s.root, "op": c.op, "description": c.description,
			"status": status, "start_timestamp": unix(from), "timestamp": unix(to), "data": c.data(status)})
		from = to
	}
	contexts := object{"trace": trace}
	if len(r.work) > 0 && s.n%profileEvery == 0 {
		contexts["profile"] = t.profile(r, s, end)
	}
	t.send(end, "transaction", t.hex(32, s.name, s.n), nil, object{
		"type": "transaction", "transaction": r.name, "platform": t.platform(), "release": t.running(end), "environment": "production",
		"start_timestamp": unix(s.start), "timestamp": unix(end), "tags": object{"mark": t.mark}, "spans": spans, "request": object{"method": cmp.Or(r.method, "GET")},
		"contexts": contexts,
	})
}

func (c call) data(status string) object {
	switch c.op {
	case "db":
		return object{"db.system": "postgresql", "db.operation": strings.Fields(c.description)[0]}
	case "http.client":
		method, target, _ := strings.Cut(c.description, " ")
		code := 200
		if status != "ok" {
			code = 500
		}
		return object{"http.request.method": method, "url.full": target, "http.response.status_code": code}
	}
	return object{}
}
