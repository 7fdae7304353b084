package payload

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

const (
	maxReplayList = 200 // elements of each list of a replay
	maxURLRunes   = 1024
	maxTagValues  = 10 // of one tag of a replay
)

// Replay is what the segments of a replay tell together.
type Replay struct {
	Type        string              `json:"type"` // session or buffer
	Started     float64             `json:"started"`
	Finished    float64             `json:"finished"`
	Told        []int64             `json:"told"`     // segments whose event was read
	Segments    int64               `json:"segments"` // of which there is a recording
	URLs        []string            `json:"urls"`
	Traces      []string            `json:"traces"`
	Errors      []string            `json:"errors"`
	Warnings    []string            `json:"warnings"`
	Infos       []string            `json:"infos"`
	Releases    []string            `json:"releases"` // the latest is the last
	Platform    string              `json:"platform"`
	Environment string              `json:"environment"`
	Dist        string              `json:"dist"`
	User        Object              `json:"user"`
	SDK         Object              `json:"sdk"`
	Browser     Object              `json:"browser"`
	OS          Object              `json:"os"`
	Device      Object              `json:"device"`
	Tags        map[string][]string `json:"tags"`
	Dead        int64               `json:"dead"`
	Rage        int64               `json:"rage"`
	Clicked     map[string][]string `json:"clicked"` // values of click.*, tap.*, dead.* and rage.*
	Secrets     []int64             `json:"secrets"` // see Recording
}

// ReplayID is the id of the replay that a replay event is about.
func ReplayID(ev Object, envelopeID string) string {
	return cmp.Or(HexID(ev["replay_id"], 32), envelopeID, HexID(ev["event_id"], 32))
}

// Tell adds what the event of a segment tells. An event that comes again
// changes nothing.
func (r *Replay) Tell(ev Object, a Arrival) {
	segment, _ := Number(ev["segment_id"])
	if slices.Contains(r.Told, int64(segment)) {
		return
	}
	r.Told = appendNew(r.Told, int64(segment))
	Normalize(ev, a)
	Scrub(ev)
	end := timestampOf(ev)
	start := end
	if ev["replay_start_timestamp"] != nil {
		start = unixSeconds(EventTime(ev["replay_start_timestamp"], a.Received))
	}
	r.span(start, end)
	for _, url := range texts(ev["urls"]) {
		if url = Clip(url, maxURLRunes); len(r.URLs) < maxReplayList && (len(r.URLs) == 0 || r.URLs[len(r.URLs)-1] != url) {
			r.URLs = append(r.URLs, url)
		}
	}
	r.Errors = appendNew(r.Errors, hexIDs(ev["error_ids"])...)
	r.Traces = appendNew(r.Traces, hexIDs(ev["trace_ids"])...)
	if trace := HexID(At(ev, "contexts", "trace", "trace_id"), 32); trace != "" {
		r.Traces = appendNew(r.Traces, trace)
	}
	if release := Text(ev["release"]); release != "" {
		r.Releases = appendNew(r.Releases, release)
	}
	r.Type = cmp.Or(Clip(Text(ev["replay_type"]), 20), r.Type, "session")
	r.Platform, r.Environment, r.Dist = Text(ev["platform"]), Text(ev["environment"]), cmp.Or(Clip(Text(ev["dist"]), 64), r.Dist)
	r.who(ev)
	r.tag(AsObject(ev["tags"]))
}

// who takes over what the event tells of the user and of the device.
func (r *Replay) who(ev Object) {
	keep := func(into *Object, from any, names ...string) {
		o := AsObject(from)
		for _, name := range names {
			if v := Clip(Text(o[name]), maxTagRunes); v != "" {
				if *into == nil {
					*into = Object{}
				}
				(*into)[name] = v
			}
		}
	}
	contexts := AsObject(ev["contexts"])
	keep(&r.User, ev["user"], "id", "email", "username", "ip_address")
	keep(&r.SDK, ev["sdk"], "name", "version")
	keep(&r.Browser, contexts["browser"], "name", "version")
	keep(&r.Device, contexts["device"], "name", "brand", "model", "family")
	keep(&r.OS, contexts["os"], "name", "version")
	if r.OS == nil {
		name := system(header(ev, "User-Agent"))
		keep(&r.OS, Object{"name": name}, "name")
	}
}

// system names the operating system of a User-Agent. Order matters here, too.
func system(agent string) string {
	for _, known := range [][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"Mac OS X", "Mac OS X"}, {"CrOS", "Chrome OS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			return known[1]
		}
	}
	return ""
}

func (r *Replay) tag(tags Object) {
	if r.Tags == nil {
		r.Tags = map[string][]string{}
	}
	for _, key := range SortedKeys(tags) {
		v, values := Text(tags[key]), r.Tags[key]
		if len(values) < maxTagValues && !slices.Contains(values, v) && (values != nil || len(r.Tags) < maxTags) {
			r.Tags[key] = append(values, v)
		}
	}
}

// Record adds a recording, which must be a new one.
func (r *Replay) Record(rec *Recording, a Arrival) {
	r.Segments++
	for _, id := range rec.Secrets {
		if len(r.Secrets) < maxSecretFields && !slices.Contains(r.Secrets, id) {
			r.Secrets = append(r.Secrets, id)
		}
	}
	if rec.Start != 0 {
		r.span(unixSeconds(EventTime(rec.Start, a.Received)), unixSeconds(EventTime(rec.End, a.Received)))
	} else {
		r.span(unixSeconds(a.Received), unixSeconds(a.Received))
	}
	r.Platform, r.Environment = cmp.Or(r.Platform, "other"), cmp.Or(r.Environment, "production")
	for _, c := range rec.Clicks {
		r.click(c)
	}
}

func (r *Replay) span(start, end float64) {
	if r.Started == 0 || start < r.Started {
		r.Started = start
	}
	r.Finished = max(r.Finished, start, end)
}

// elementKeys are the attributes of an element that can be searched.
var elementKeys = map[string]string{
	"id": "id", "class": "class", "role": "role", "title": "title", "alt": "alt", "aria-label": "label",
	"data-testid": "testid", "data-test-id": "testid", "data-sentry-component": "component_name",
}

func (r *Replay) click(c Click) {
	if r.Clicked == nil {
		r.Clicked = map[string][]string{}
	}
	add := func(key, value string) {
		if value = Clip(value, maxTagRunes); value != "" && len(r.Clicked[key]) < maxReplayList {
			r.Clicked[key] = appendNew(r.Clicked[key], value)
		}
	}
	if c.Tap {
		add("tap.message", c.Selector)
		add("tap.view_id", Text(c.Element["view.id"]))
		add("tap.view_class", Text(c.Element["view.class"]))
		return
	}
	what := []string{"click.selector"}
	if c.Dead {
		r.Dead++
		what = append(what, "dead.selector")
	}
	if c.Rage {
		r.Rage++
		what = append(what, "rage.selector")
	}
	path := strings.Split(c.Selector, " > ")
	for _, key := range what {
		add(key, path[len(path)-1]) // the element alone, and where it is
		add(key, c.Selector)
	}
	add("click.tag", Text(c.Element["tagName"]))
	add("click.textContent", Text(c.Element["textContent"]))
	attributes := AsObject(c.Element["attributes"])
	for _, name := range SortedKeys(attributes) {
		switch key := elementKeys[name]; key {
		case "":
		case "class":
			for class := range strings.FieldsSeq(Text(attributes[name])) {
				add("click.class", class)
			}
		default:
			add("click."+key, Text(attributes[name]))
		}
	}
}

// Link notes an event that names the replay.
func (r *Replay) Link(event, level string) {
	switch level {
	case "warning":
		r.Warnings = appendNew(r.Warnings, event)
	case "info", "debug":
		r.Infos = appendNew(r.Infos, event)
	default:
		r.Errors = appendNew(r.Errors, event)
	}
}

// Duration in whole seconds.
func (r *Replay) Duration() int64 { return int64(math.Max(0, r.Finished-r.Started)) }

// Activity is from 0 to 10, as Sentry has it.
func (r *Replay) Activity() int { return min(10, (len(r.Errors)*25+len(r.URLs)*5)/10) }

// Display names the user by what people call them.
func (r *Replay) Display() string {
	return cmp.Or(Text(r.User["username"]), Text(r.User["email"]), Text(r.User["id"]), Text(r.User["ip_address"]))
}

// Attrs are the attributes of the replay. Those with several values are arrays.
func (r *Replay) Attrs() Attrs {
	a := Attrs{}
	for key, n := range map[string]int64{
		"count_errors": int64(len(r.Errors)), "count_warnings": int64(len(r.Warnings)), "count_infos": int64(len(r.Infos)),
		"count_segments": r.Segments, "count_urls": int64(len(r.URLs)), "count_dead_clicks": r.Dead, "count_rage_clicks": r.Rage,
		"duration": r.Duration(), "activity": int64(r.Activity()),
	} {
		a[key] = n
	}
	a["started_at"], a["finished_at"], a["is_archived"] = r.Started, r.Finished, false
	for key, list := range map[string][]string{"urls": r.URLs, "trace_ids": r.Traces, "releases": r.Releases,
		"error_ids": r.Errors, "warning_ids": r.Warnings, "info_ids": r.Infos} {
		a.setList(key, list)
	}
	for key, list := range r.Clicked {
		a.setList(key, list)
	}
	for key, v := range map[string]string{
		"replay_type": r.Type, "platform": r.Platform, "environment": r.Environment, "dist": r.Dist, "user.display_name": r.Display(),
		"user": userTag(r.User), "user.id": Text(r.User["id"]), "user.email": Text(r.User["email"]), "user.username": Text(r.User["username"]), "user.ip": Text(r.User["ip_address"]),
	} {
		a.Set(key, v)
	}
	if n := len(r.Releases); n > 0 {
		a.Set("release", r.Releases[n-1])
	}
	for prefix, o := range map[string]Object{"sdk.": r.SDK, "browser.": r.Browser, "os.": r.OS, "device.": r.Device} {
		a.setAll(o, prefix)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		a.Set(key, r.Tags[key][len(r.Tags[key])-1])
	}
	return a
}

func (a Attrs) setList(key string, list []string) {
	if len(list) == 0 || len(a) >= maxAttrs {
		return
	}
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	a[key] = out
}

// appendNew appends what is not there yet, as long as there is room.
func appendNew[T comparable](list []T, more ...T) []T {
	for _, v := range more {
		if len(list) < maxReplayList && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// texts reads a list of texts.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

// hexIDs reads a list of ids and drops what is none.
func hexIDs(v any) []string {
	var out []string
	for _, s := range texts(v) {
		if id := HexID(s, 32); id != "" {
			out = append(out, id)
		}
	}
	return out
}

func timestampOf(ev Object) float64 {
	f, _ := Number(ev["timestamp"])
	return f
}
