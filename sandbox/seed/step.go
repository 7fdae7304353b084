package seed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Step is one thing that happened: an envelope arrived, or a person changed an
// issue. Steps come in the order of time.
type Step struct {
	At       time.Time
	Envelope []byte // nil: a change
	Change   Change
}

// Change is what a person did to the issue that has the event.
type Change struct {
	EventID string
	Status  string // "resolved", "ignored" or "" for no change
	Assign  int64  // a user; 0: no change
}

type (
	person struct{ id, email, ip string }
	frame  struct {
		file, function, module, abs, source string
		line                                int
		own                                 bool
	}
	// release was deployed some time before now.
	release struct {
		version string
		ago     time.Duration
	}
	// fault is what becomes one issue. Its events are spread evenly from first
	// to last, both counted back from now.
	fault struct {
		kind, value, where, level    string // kind "": a message
		args                         []string
		frames                       []frame
		first, last                  time.Duration
		events                       int
		users                        []person
		environment                  string
		crumbs                       []string
		tags                         map[string]string
		assignee                     int64
		story                        bool // its events share traces with the requests of the story
		unhandled                    bool
		resolved, ignored, regressed bool
	}
	request struct {
		name, op, method string
		took             time.Duration
		count            int
		calls            []call
		story            bool
	}
	call struct {
		op, description string
		took            time.Duration
	}
	logLine struct {
		level, body string
		count       int
	}
	object = map[string]any
)

// teller tells one project's story.
type teller struct {
	org, mark string
	project   Project
	now       time.Time
	rand      *rand.Rand
	steps     []Step
}

// Steps tells what happened in the project of the organization, up to now.
// Everything that was sent carries the mark.
func (p Project) Steps(org, mark string, now time.Time) []Step {
	t := &teller{org: org, mark: mark, project: p, now: now, rand: rand.New(rand.NewPCG(uint64(p.ID), 7))}
	for i, f := range p.faults {
		t.fault(i, f)
	}
	for i, r := range p.requests {
		t.request(i, r)
	}
	t.logs()
	for _, j := range t.project.jobs {
		t.job(j)
	}
	for i, o := range t.project.opinions {
		t.opinion(i, o)
	}
	for i, c := range t.project.chats {
		t.chat(i, c)
	}
	slices.SortStableFunc(t.steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return t.steps
}

// hex makes an id that is the same for the same name.
func (t *teller) hex(digits int, name string, n int) string {
	return digest(digits, t.org, t.project.Slug, name, n)
}

func digest(digits int, parts ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:])[:digits]
}

// trace is shared by all projects of an organization where the story has it.
func (t *teller) trace(story bool, name string, n int) string {
	if !story {
		return t.hex(32, "trace "+name, n)
	}
	return digest(32, t.org, "story", n)
}

// send adds an envelope of one item, whose payload is an object.
func (t *teller) send(at time.Time, kind, id string, header, payload object) {
	envelope := object{"sent_at": at.Format(time.RFC3339Nano), "sdk": object{"name": "roundhouse.seed", "version": "1"}}
	if id != "" {
		envelope["event_id"] = id
	}
	head := object{"type": kind}
	for k, v := range header {
		head[k] = v
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for _, v := range []object{envelope, head, payload} {
		if err := enc.Encode(v); err != nil {
			panic(fmt.Sprintf("seed: %v", err)) // the data are constants
		}
	}
	t.steps = append(t.steps, Step{At: at, Envelope: []byte(b.String())})
}

func (t *teller) change(at time.Time, c Change) {
	t.steps = append(t.steps, Step{At: at, Change: c})
}

func (t *teller) fault(n int, f fault) {
	name := fmt.Sprintf("fault %d", n)
	gap := (f.first - f.last) / time.Duration(max(1, f.events-1))
	for i := range f.events {
		at := t.now.Add(-f.first + time.Duration(i)*gap)
		t.send(at, "event", t.hex(32, name, i), nil, t.event(f, name, i, at))
	}
	first := t.hex(32, name, 0)
	switch {
	case f.resolved:
		t.change(t.now.Add(-f.last+hour), Change{EventID: first, Status: "resolved"})
	case f.regressed: // fixed halfway between the last event and the one before
		t.change(t.now.Add(-f.last-gap/2), Change{EventID: first, Status: "resolved"})
	case f.ignored:
		t.change(t.now.Add(-f.first+hour), Change{EventID: first, Status: "ignored"})
	}
	if f.assignee != 0 {
		t.change(t.now.Add(-f.last), Change{EventID: first, Assign: f.assignee})
	}
}

func (t *teller) event(f fault, name string, i int, at time.Time) object {
	tags := object{"mark": t.mark}
	for k, v := range f.tags {
		tags[k] = v
	}
	ev := object{
		"timestamp": at.Format(time.RFC3339Nano), "platform": t.platform(), "level": or(f.level, "error"), "transaction": f.where,
		"release": t.release(at), "environment": or(f.environment, "production"), "server_name": t.project.Slug + "-" + fmt.Sprint(i%3),
		"tags": tags, "sdk": object{"name": "sentry." + t.platform(), "version": "9.4.0"}, "extra": object{"attempt": i + 1},
		"contexts": object{"trace": object{"trace_id": t.trace(f.story, name, i), "span_id": t.hex(16, "span "+name, i)}, "runtime": t.runtime()},
	}
	if f.kind == "" {
		args := make([]any, len(f.args))
		for j, a := range f.args {
			args[j] = a
		}
		ev["logentry"] = object{"message": f.value, "params": args, "formatted": fmt.Sprintf(f.value, args...)}
	} else {
		ev["exception"] = object{"values": []any{f.exception()}}
	}
	if len(f.users) > 0 {
		u := f.users[i%len(f.users)]
		ev["user"] = object{"id": u.id, "email": u.email, "ip_address": u.ip}
	}
	if len(f.crumbs) > 0 {
		ev["breadcrumbs"] = object{"values": crumbs(f.crumbs, at)}
	}
	if t.browser() {
		ev["request"] = object{"url": "https://" + t.org + ".example.test" + f.where, "headers": object{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"}}
	}
	return ev
}

// release is the one that ran at the time.
func (t *teller) release(at time.Time) string {
	running := ""
	for _, r := range t.project.releases {
		if !at.Before(t.now.Add(-r.ago)) {
			running = r.version
		}
	}
	return running
}

func (t *teller) browser() bool { return strings.HasPrefix(t.project.Platform, "javascript") }

func (t *teller) platform() string {
	if t.browser() {
		return "javascript"
	}
	return t.project.Platform
}

func (t *teller) runtime() object {
	switch t.project.Platform {
	case "go":
		return object{"name": "go", "version": "go1.26.8"}
	case "python":
		return object{"name": "CPython", "version": "3.13.2"}
	}
	return object{"name": "browser", "version": "1"}
}

func (f fault) exception() object {
	frames := make([]any, len(f.frames))
	for i, fr := range f.frames {
		o := object{"filename": fr.file, "function": fr.function, "lineno": fr.line, "in_app": fr.own}
		for key, v := range map[string]string{"module": fr.module, "abs_path": fr.abs, "context_line": fr.source} {
			if v != "" {
				o[key] = v
			}
		}
		frames[i] = o
	}
	return object{"type": f.kind, "value": f.value, "mechanism": object{"type": "generic", "handled": !f.unhandled}, "stacktrace": object{"frames": frames}}
}

// crumbs are of the form "category|message", a few seconds apart.
func crumbs(lines []string, at time.Time) []any {
	out := make([]any, len(lines))
	for i, line := range lines {
		category, message, _ := strings.Cut(line, "|")
		out[i] = object{"timestamp": at.Add(time.Duration(i-len(lines)) * 3 * time.Second).Format(time.RFC3339Nano), "type": "default", "level": "info", "category": category, "message": message}
	}
	return out
}

func (t *teller) request(n int, r request) {
	name := fmt.Sprintf("request %d", n)
	for i := range r.count {
		end := t.now.Add(-time.Duration(r.count-i) * 100 * time.Minute).Add(-time.Duration(t.rand.IntN(3600)) * time.Second)
		slower := 0.7 + 0.9*t.rand.Float64()
		start := end.Add(-stretch(r.took, slower))
		root := t.hex(16, "root "+name, i)
		trace := t.trace(r.story, name, i)
		var spans []any
		from := start.Add(2 * time.Millisecond)
		for j, c := range r.calls {
			to := from.Add(stretch(c.took, slower))
			spans = append(spans, object{"trace_id": trace, "span_id": t.hex(16, fmt.Sprintf("call %s %d", name, j), i), "parent_span_id": root, "op": c.op,
				"description": c.description, "status": "ok", "start_timestamp": unix(from), "timestamp": unix(to), "data": c.data()})
			from = to
		}
		t.send(end, "transaction", t.hex(32, name, i), nil, object{
			"type": "transaction", "transaction": r.name, "platform": t.platform(), "release": t.release(end), "environment": "production",
			"start_timestamp": unix(start), "timestamp": unix(end), "tags": object{"mark": t.mark}, "spans": spans, "request": object{"method": or(r.method, "GET")},
			"contexts": object{"trace": object{"trace_id": trace, "span_id": root, "op": r.op, "status": "ok"}},
		})
	}
}

func (c call) data() object {
	if c.op == "db" {
		return object{"db.system": "postgresql", "db.operation": strings.Fields(c.description)[0]}
	}
	if c.op == "http.client" {
		method, target, _ := strings.Cut(c.description, " ")
		return object{"http.request.method": method, "url.full": target, "http.response.status_code": 200}
	}
	return object{}
}

// logs sends each line of the project as one container.
func (t *teller) logs() {
	severity := map[string]int{"info": 9, "warn": 13, "error": 17}
	for n, l := range t.project.logs {
		var items []any
		for i := range l.count {
			at := t.now.Add(-time.Duration(l.count-i) * 47 * time.Minute)
			items = append(items, object{"timestamp": unix(at), "trace_id": t.trace(true, "", i), "level": l.level, "severity_number": severity[l.level], "body": l.body,
				"attributes": object{"mark": object{"value": t.mark, "type": "string"}, "sentry.environment": object{"value": "production", "type": "string"}, "shard": object{"value": n, "type": "integer"}}})
		}
		t.send(t.now, "log", "", object{"item_count": len(items), "content_type": "application/vnd.sentry.items.log+json"}, object{"items": items})
	}
}

func stretch(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
