package seed

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// userAgent is of the browser that everybody in the story uses.
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"

type (
	// fault is what becomes one issue. Its events are spread evenly from first
	// to last, both counted back from now; those of a fault of the story fall
	// on its moments.
	fault struct {
		kind, value, where, level string // kind "": a message
		args                      []string
		frames                    []frame
		threads                   []thread
		first, last               time.Duration
		events                    int
		users                     []person
		environment               string
		crumbs                    []string
		apart                     time.Duration // of the crumbs; 0: 3 seconds
		after                     time.Duration // of the story: since its moment
		tags                      map[string]string
		story                     bool
		unhandled                 bool
		then                      outcome
	}
	// outcome is what people did about a fault.
	outcome struct {
		resolved, ignored, regressed bool
		assign                       string // "user:ID" or "team:ID"
		note                         string
	}
	frame struct {
		file, function, module, abs, source string
		line                                int
		own                                 bool
	}
	// thread is one of those that were running; the first of a fault is the
	// one that it happened in.
	thread struct {
		name, state string
		frames      []frame
	}
)

func (t *teller) fault(n int, f fault) {
	if f.story {
		f.first, f.last, f.users = t.project.story.first, t.project.story.last, t.project.story.to
	}
	name := fmt.Sprintf("fault %d", n)
	gap := (f.first - f.last) / time.Duration(max(1, f.events-1))
	for i := range f.events {
		at := t.now.Add(-f.first + time.Duration(i)*gap)
		where := object{"trace_id": t.hex(32, "trace "+name, i), "span_id": t.hex(16, "span "+name, i)}
		who := i
		if f.story {
			who = i * t.project.story.times / f.events
			at = t.moment(who).Add(stretch(f.after, pace(who)))
			where = object{"trace_id": t.storyTrace(who), "span_id": t.storySpan(who)}
		}
		ev := t.event(f, i, who, at, where)
		if f.story && t.recorded(who) {
			ev["contexts"].(object)["replay"] = object{"replay_id": t.replayID(who)}
		}
		t.send(at, "event", t.hex(32, name, i), nil, ev)
	}
	t.outcome(f, t.hex(32, name, 0), gap)
}

func (t *teller) outcome(f fault, event string, gap time.Duration) {
	switch {
	case f.then.resolved:
		t.change(t.now.Add(-f.last+hour), Change{EventID: event, Status: "resolved"})
	case f.then.regressed: // fixed halfway between the last event and the one before
		t.change(t.now.Add(-f.last-gap/2), Change{EventID: event, Status: "resolved"})
	case f.then.ignored:
		t.change(t.now.Add(-f.first+hour), Change{EventID: event, Status: "ignored"})
	}
	if f.then.assign != "" {
		t.change(t.now.Add(-f.last+7*time.Minute), Change{EventID: event, Assign: f.then.assign})
	}
	if f.then.note != "" {
		t.change(t.now.Add(-f.last+19*time.Minute), Change{EventID: event, Note: f.then.note})
	}
}

// event is the ith of a fault, which happened to the user of that number.
func (t *teller) event(f fault, i, who int, at time.Time, where object) object {
	tags := object{"mark": t.mark}
	for k, v := range f.tags {
		tags[k] = v
	}
	ev := object{
		"timestamp": at.Format(time.RFC3339Nano), "platform": t.platform(), "level": cmp.Or(f.level, "error"), "transaction": f.where,
		"release": t.running(at), "environment": environment(f.environment), "tags": tags, "sdk": t.sdk(), "extra": object{"attempt": i + 1},
		"contexts": object{"trace": where, "runtime": t.runtime()},
	}
	f.describe(ev)
	if len(f.users) > 0 {
		u := pick(f.users, who)
		ev["user"] = object{"id": u.id, "email": u.email, "ip_address": u.ip}
	}
	if len(f.crumbs) > 0 {
		ev["breadcrumbs"] = object{"values": crumbs(f.crumbs, at, cmp.Or(f.apart, 3*time.Second))}
	}
	if t.browser() {
		ev["request"] = object{"url": t.project.site + f.where, "headers": object{"User-Agent": userAgent}}
	}
	if !t.browser() && t.project.Platform != "react-native" {
		ev["server_name"] = fmt.Sprintf("%s-%d", t.project.Slug, i%3)
	}
	if t.project.Platform == "react-native" {
		ev["contexts"].(object)["device"] = object{"family": "Meridian", "model": "Meridian 6"}
		ev["contexts"].(object)["os"] = object{"name": "Android", "version": "16"}
	}
	return ev
}

// describe says what happened: an exception, with threads or without, or a
// message.
func (f fault) describe(ev object) {
	if f.kind == "" {
		args := make([]any, len(f.args))
		for j, a := range f.args {
			args[j] = a
		}
		ev["logentry"] = object{"message": f.value, "params": args, "formatted": fmt.Sprintf(f.value, args...)}
		return
	}
	ev["exception"] = object{"values": []any{object{
		"type": f.kind, "value": f.value, "mechanism": object{"type": "generic", "handled": !f.unhandled}, "stacktrace": object{"frames": stack(f.frames)},
	}}}
	if len(f.threads) == 0 {
		return
	}
	var threads []any
	for i, th := range f.threads {
		threads = append(threads, object{"id": i + 1, "name": th.name, "state": th.state, "current": i == 0, "crashed": i == 0, "stacktrace": object{"frames": stack(th.frames)}})
	}
	ev["threads"] = object{"values": threads}
}

func stack(frames []frame) []any {
	out := make([]any, len(frames))
	for i, fr := range frames {
		o := object{"filename": fr.file, "function": fr.function, "lineno": fr.line, "in_app": fr.own}
		for key, v := range map[string]string{"module": fr.module, "abs_path": fr.abs, "context_line": fr.source} {
			if v != "" {
				o[key] = v
			}
		}
		out[i] = o
	}
	return out
}

// crumbs are of the form "category|message".
func crumbs(lines []string, at time.Time, apart time.Duration) []any {
	out := make([]any, len(lines))
	for i, line := range lines {
		category, message, _ := strings.Cut(line, "|")
		out[i] = object{"timestamp": at.Add(time.Duration(i-len(lines)) * apart).Format(time.RFC3339Nano), "type": "default", "level": "info", "category": category, "message": message}
	}
	return out
}
