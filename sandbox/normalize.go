package sandbox

import (
	"math"
	"net/url"
	"path"
	"strings"
	"time"
)

const (
	maxTags     = 200
	maxTagRunes = 200
	maxAge      = keepFor
	maxAhead    = time.Minute
)

// arrival is what is known about a payload besides itself.
type arrival struct {
	received time.Time
	remote   string // the sender's address, for {{auto}}
	trace    object // the envelope's trace header
}

// normalizeEvent gives an event of any SDK one shape, in place.
func normalizeEvent(ev object, a arrival) {
	ev["timestamp"] = seconds(eventTime(ev["timestamp"], a.received))
	ev["level"] = level(text(ev["level"]))
	ev["platform"] = firstText(clip(text(ev["platform"]), 64), "other")
	ev["environment"] = firstText(clip(text(ev["environment"]), 64), "production")
	ev["release"] = clip(text(ev["release"]), 200)
	ev["transaction"] = clip(firstText(text(ev["transaction"]), text(a.trace["transaction"])), 200)
	ev["exception"] = anyList(objects(ev["exception"]))
	ev["threads"] = anyList(objects(ev["threads"]))
	ev["breadcrumbs"] = anyList(objects(ev["breadcrumbs"]))
	normalizeMessage(ev)
	normalizeRequest(ev)
	normalizeContexts(ev)
	normalizeUser(ev, a.remote)
	for _, frames := range stacks(ev) {
		for _, f := range frames {
			normalizeFrame(f)
		}
	}
	ev["tags"] = tagMap(ev["tags"])
}

// eventTime reads RFC 3339 or Unix seconds; what is too far from now is now.
func eventTime(v any, now time.Time) time.Time {
	t := now
	if f, ok := number(v); ok && math.Abs(f) < 1e11 {
		t = fromSeconds(f)
	} else if parsed, err := time.Parse(time.RFC3339Nano, text(v)); err == nil {
		t = parsed
	} else if parsed, err := time.Parse("2006-01-02T15:04:05.999999999", text(v)); err == nil { // UTC, as old SDKs mean it
		t = parsed
	}
	if t.Before(now.Add(-maxAge)) || t.After(now.Add(maxAhead)) {
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
func normalizeMessage(ev object) {
	entry := asObject(ev["logentry"])
	if entry == nil {
		entry = asObject(ev["message"])
	}
	if entry == nil {
		entry = object{"formatted": text(ev["message"])}
	}
	template, formatted := text(entry["message"]), text(entry["formatted"])
	entry["message"] = firstText(template, formatted)
	entry["formatted"] = firstText(formatted, template)
	delete(ev, "message")
	delete(ev, "logentry")
	if entry["formatted"] != "" {
		ev["logentry"] = entry
	}
}

// normalizeRequest makes headers a list of pairs. Cookies are not kept at all.
func normalizeRequest(ev object) {
	req := asObject(ev["request"])
	if req == nil {
		delete(ev, "request")
		return
	}
	delete(req, "cookies")
	var pairs []any
	switch headers := req["headers"].(type) {
	case object:
		for _, name := range sortedKeys(headers) {
			pairs = append(pairs, []any{name, text(headers[name])})
		}
	case []any:
		for _, h := range headers {
			if pair, ok := h.([]any); ok && len(pair) == 2 {
				pairs = append(pairs, []any{text(pair[0]), text(pair[1])})
			}
		}
	}
	req["headers"] = pairs
}

func header(ev object, name string) string {
	list, _ := at(ev, "request", "headers").([]any)
	for _, h := range list {
		if pair, ok := h.([]any); ok && len(pair) == 2 && strings.EqualFold(text(pair[0]), name) {
			return text(pair[1])
		}
	}
	return ""
}

func normalizeContexts(ev object) {
	contexts := asObject(ev["contexts"])
	if contexts == nil {
		contexts = object{}
	}
	for name, c := range contexts {
		c, ok := c.(object)
		if !ok {
			delete(contexts, name)
			continue
		}
		if text(c["type"]) == "" {
			c["type"] = name
		}
	}
	if contexts["browser"] == nil {
		if name, version := browser(header(ev, "User-Agent")); name != "" {
			contexts["browser"] = object{"type": "browser", "name": name, "version": version}
		}
	}
	ev["contexts"] = contexts
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

func normalizeUser(ev object, remote string) {
	user := asObject(ev["user"])
	if user == nil {
		delete(ev, "user")
		return
	}
	for _, name := range []string{"id", "email", "username", "name", "ip_address"} {
		if s := clip(text(user[name]), maxTagRunes); s != "" {
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
func stacks(ev object) [][]object {
	var out [][]object
	for _, holder := range append(objects(ev["exception"]), objects(ev["threads"])...) {
		if frames := framesOf(holder); len(frames) > 0 {
			out = append(out, frames)
		}
	}
	return out
}

func framesOf(holder object) []object { return objects(at(holder, "stacktrace", "frames")) }

func normalizeFrame(f object) {
	if text(f["filename"]) == "" && text(f["abs_path"]) != "" {
		f["filename"] = pathOf(text(f["abs_path"]))
	}
	if text(f["function"]) == "?" {
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

func baseName(file string) string {
	file, _, _ = strings.Cut(file, "?")
	return path.Base(strings.ReplaceAll(file, `\`, "/"))
}

// tagMap reads tags as an object, as pairs, or as {key, value} objects.
func tagMap(v any) object {
	tags := object{}
	put := func(key, value string) {
		if key != "" && value != "" && len(tags) < maxTags {
			tags[clip(key, maxTagRunes)] = clip(value, maxTagRunes)
		}
	}
	switch v := v.(type) {
	case object:
		for _, key := range sortedKeys(v) {
			put(key, text(v[key]))
		}
	case []any:
		for _, e := range v {
			if pair, ok := e.([]any); ok && len(pair) == 2 {
				put(text(pair[0]), text(pair[1]))
			} else if o, ok := e.(object); ok {
				put(text(o["key"]), text(o["value"]))
			}
		}
	}
	return tags
}
