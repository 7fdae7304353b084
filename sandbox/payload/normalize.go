package payload

import (
	"cmp"
	"math"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	maxTags     = 200
	maxTagRunes = 200

	maxExceptions  = 50
	maxThreads     = 500
	maxFrames      = 250 // of each of them
	maxBreadcrumbs = 500

	MaxAge   = 30 * 24 * time.Hour
	MaxAhead = time.Minute
)

// Arrival is what is known about a payload besides itself.
type Arrival struct {
	Received time.Time
	Remote   string // the sender's address, for {{auto}}
	Trace    Object // the envelope's trace header
}

// Prepare makes an event ready to be stored, in place: one shape, no secrets,
// all tags.
func Prepare(ev Object, id string, a Arrival) {
	Normalize(ev, a)
	Scrub(ev)
	ev["tags"] = tagsOf(ev)
	ev["event_id"] = id
	ev["received"] = unixSeconds(a.Received)
}

// Normalize gives an event of any SDK one shape, in place.
func Normalize(ev Object, a Arrival) {
	ev["timestamp"] = unixSeconds(EventTime(ev["timestamp"], a.Received))
	ev["level"] = level(Text(ev["level"]))
	ev["platform"] = cmp.Or(Clip(Text(ev["platform"]), 64), "other")
	ev["environment"] = cmp.Or(Clip(Text(ev["environment"]), 64), "production")
	ev["release"] = Clip(Text(ev["release"]), 200)
	ev["transaction"] = Clip(cmp.Or(Text(ev["transaction"]), Text(a.Trace["transaction"])), 200)
	ev["exception"] = anyList(newest(Objects(ev["exception"]), maxExceptions))
	ev["threads"] = anyList(newest(Objects(ev["threads"]), maxThreads))
	ev["breadcrumbs"] = anyList(newest(Objects(ev["breadcrumbs"]), maxBreadcrumbs))
	normalizeMessage(ev)
	normalizeRequest(ev)
	normalizeContexts(ev)
	normalizeReplay(ev, a.Trace)
	normalizeUser(ev, a.Remote)
	for _, holder := range append(Objects(ev["exception"]), Objects(ev["threads"])...) {
		normalizeStack(holder)
	}
	ev["tags"] = tagMap(ev["tags"])
}

// EventTime reads RFC 3339 or Unix seconds; what is too far from now is now.
func EventTime(v any, now time.Time) time.Time {
	t := now
	if f, ok := Number(v); ok && math.Abs(f) < 1e11 {
		t = fromUnixSeconds(f)
	} else if parsed, err := time.Parse(time.RFC3339Nano, Text(v)); err == nil {
		t = parsed
	} else if parsed, err := time.Parse("2006-01-02T15:04:05.999999999", Text(v)); err == nil { // UTC, as old SDKs mean it
		t = parsed
	}
	if t.Before(now.Add(-MaxAge)) || t.After(now.Add(MaxAhead)) {
		t = now
	}
	return t.UTC()
}

func level(s string) string {
	switch s = strings.ToLower(s); s {
	case "fatal", "error", "warning", "info", "debug":
		return s
	case "warn":
		return "warning"
	case "critical":
		return "fatal"
	case "log":
		return "info"
	}
	return "error"
}

// normalizeMessage puts message, a text or an object, where logentry is.
func normalizeMessage(ev Object) {
	entry := AsObject(ev["logentry"])
	if entry == nil {
		entry = AsObject(ev["message"])
	}
	if entry == nil {
		entry = Object{"formatted": Text(ev["message"])}
	}
	template, formatted := Text(entry["message"]), Text(entry["formatted"])
	entry["message"] = cmp.Or(template, formatted)
	entry["formatted"] = cmp.Or(formatted, template)
	delete(ev, "message")
	delete(ev, "logentry")
	if entry["formatted"] != "" {
		ev["logentry"] = entry
	}
}

// normalizeRequest makes headers a list of pairs. Cookies are not kept at all.
func normalizeRequest(ev Object) {
	req := AsObject(ev["request"])
	if req == nil {
		delete(ev, "request")
		return
	}
	delete(req, "cookies")
	var pairs []any
	switch headers := req["headers"].(type) {
	case Object:
		for _, name := range SortedKeys(headers) {
			pairs = append(pairs, []any{name, Text(headers[name])})
		}
	case []any:
		for _, h := range headers {
			if pair, ok := h.([]any); ok && len(pair) == 2 {
				pairs = append(pairs, []any{Text(pair[0]), Text(pair[1])})
			}
		}
	}
	req["headers"] = pairs
}

func header(ev Object, name string) string {
	list, _ := At(ev, "request", "headers").([]any)
	for _, h := range list {
		if pair, ok := h.([]any); ok && len(pair) == 2 && strings.EqualFold(Text(pair[0]), name) {
			return Text(pair[1])
		}
	}
	return ""
}

func normalizeContexts(ev Object) {
	contexts := AsObject(ev["contexts"])
	if contexts == nil {
		contexts = Object{}
	}
	for name, c := range contexts {
		c, ok := c.(Object)
		if !ok {
			delete(contexts, name)
			continue
		}
		if Text(c["type"]) == "" {
			c["type"] = name
		}
	}
	if contexts["browser"] == nil {
		if name, version := browser(header(ev, "User-Agent")); name != "" {
			contexts["browser"] = Object{"type": "browser", "name": name, "version": version}
		}
	}
	ev["contexts"] = contexts
}

// normalizeReplay has an event of a server name the replay that its trace began
// in, as one of the page does.
func normalizeReplay(ev, trace Object) {
	contexts := AsObject(ev["contexts"])
	if id := HexID(trace["replay_id"], 32); id != "" && contexts["replay"] == nil {
		contexts["replay"] = Object{"type": "replay", "replay_id": id}
	}
}

// browser names the browser of a User-Agent. Order matters: most of them claim
// to be those further down.
func browser(agent string) (name, version string) {
	for _, known := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"}} {
		if _, after, ok := strings.Cut(agent, known[0]); ok {
			version, _, _ = strings.Cut(after, " ")
			return known[1], version
		}
	}
	return "", ""
}

func normalizeUser(ev Object, remote string) {
	user := AsObject(ev["user"])
	if user == nil {
		delete(ev, "user")
		return
	}
	for _, name := range []string{"id", "email", "username", "name", "ip_address"} {
		if s := Clip(Text(user[name]), maxTagRunes); s != "" {
			user[name] = s
		} else {
			delete(user, name)
		}
	}
	if user["ip_address"] == "{{auto}}" {
		user["ip_address"] = remote
	}
}

// stacks lists the frames of every exception and thread.
func stacks(ev Object) [][]Object {
	var out [][]Object
	for _, holder := range append(Objects(ev["exception"]), Objects(ev["threads"])...) {
		if frames := FramesOf(holder); len(frames) > 0 {
			out = append(out, frames)
		}
	}
	return out
}

// FramesOf lists the frames of an exception or a thread, the caller first.
func FramesOf(holder Object) []Object { return Objects(At(holder, "stacktrace", "frames")) }

// newest are the last n of a list.
func newest(list []Object, n int) []Object { return list[max(0, len(list)-n):] }

// normalizeStack keeps both ends of a stack that is too long: how it began and
// where it went wrong.
func normalizeStack(holder Object) {
	frames := FramesOf(holder)
	if len(frames) == 0 {
		return
	}
	if len(frames) > maxFrames {
		frames = slices.Concat(frames[:maxFrames/2], newest(frames, maxFrames/2))
	}
	for _, f := range frames {
		normalizeFrame(f)
	}
	AsObject(holder["stacktrace"])["frames"] = anyList(frames)
}

func normalizeFrame(f Object) {
	if Text(f["filename"]) == "" && Text(f["abs_path"]) != "" {
		f["filename"] = pathOf(Text(f["abs_path"]))
	}
	if Text(f["function"]) == "?" {
		delete(f, "function")
	}
}

// pathOf drops scheme and host of a URL; any other path stays.
func pathOf(abs string) string {
	if u, err := url.Parse(abs); err == nil && u.Host != "" && u.Path != "" {
		return u.Path
	}
	return abs
}

// BaseName is the last part of a path of any system, without a query.
func BaseName(file string) string {
	file, _, _ = strings.Cut(file, "?")
	return path.Base(strings.ReplaceAll(file, `\`, "/"))
}

// tagMap reads tags as an object, as pairs, or as {key, value} objects.
func tagMap(v any) Object {
	tags := Object{}
	put := func(key, value string) {
		if key != "" && value != "" && len(tags) < maxTags {
			tags[Clip(key, maxTagRunes)] = Clip(value, maxTagRunes)
		}
	}
	switch v := v.(type) {
	case Object:
		for _, key := range SortedKeys(v) {
			put(key, Text(v[key]))
		}
	case []any:
		for _, e := range v {
			if pair, ok := e.([]any); ok && len(pair) == 2 {
				put(Text(pair[0]), Text(pair[1]))
			} else if o, ok := e.(Object); ok {
				put(Text(o["key"]), Text(o["value"]))
			}
		}
	}
	return tags
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func fromUnixSeconds(f float64) time.Time { return time.UnixMicro(int64(f*1e6 + 0.5)).UTC() }
