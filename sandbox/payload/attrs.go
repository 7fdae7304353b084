package payload

import (
	"cmp"
	"encoding/json"
	"strings"
)

const (
	maxAttrs      = 400
	maxAttrRunes  = 8192
	maxStackAttrs = 200 // frames whose parts can be searched
)

// Attrs are what can be searched and selected of one item: a flat JSON object.
type Attrs map[string]any

// Set keeps what is a scalar and not empty; the first value of a key stays.
func (a Attrs) Set(key string, v any) {
	if key == "" || len(a) >= maxAttrs {
		return
	}
	if _, ok := a[key]; ok {
		return
	}
	switch v := v.(type) {
	case string:
		if v != "" {
			a[key] = Clip(v, maxAttrRunes)
		}
	case bool, int64:
		a[key] = v
	case float64, json.Number:
		if _, finite := Number(v); finite { // no answer could hold 1e999
			a[key] = v
		}
	case []any, Object:
		if raw, err := json.Marshal(v); err == nil {
			a[key] = Clip(string(raw), maxAttrRunes)
		}
	}
}

func (a Attrs) setAll(o Object, prefix string) {
	if len(a)+len(o) <= maxAttrs { // all find room, in any order
		for key, v := range o {
			a.Set(prefix+key, v)
		}
		return
	}
	for _, key := range SortedKeys(o) {
		a.Set(prefix+key, o[key])
	}
}

// tagsOf returns the tags that the SDK sent and those that Sentry derives.
func tagsOf(ev Object) Object {
	tags := Object{}
	derive := func(key, value string) {
		if value != "" {
			tags[key] = Clip(value, maxTagRunes)
		}
	}
	for key, value := range AsObject(ev["tags"]) {
		derive(key, Text(value))
	}
	for _, key := range []string{"level", "environment", "release", "dist", "server_name", "transaction", "logger"} {
		derive(key, Text(ev[key]))
	}
	derive("url", TextAt(ev, "request", "url"))
	derive("user", userTag(AsObject(ev["user"])))
	contexts := AsObject(ev["contexts"])
	for _, name := range []string{"browser", "os", "runtime"} {
		c := AsObject(contexts[name])
		derive(name+".name", Text(c["name"]))
		derive(name, strings.TrimSpace(Text(c["name"])+" "+Text(c["version"])))
	}
	derive("device", TextAt(contexts, "device", "model"))
	derive("device.family", TextAt(contexts, "device", "family"))
	derive("replayId", TextAt(contexts, "replay", "replay_id"))
	if e := MainException(ev); e != nil {
		derive("mechanism", TextAt(e, "mechanism", "type"))
		if handled, ok := At(e, "mechanism", "handled").(bool); ok {
			derive("handled", map[bool]string{true: "yes", false: "no"}[handled])
		}
	}
	return tags
}

// userTag names a user by the best that is known of them.
func userTag(user Object) string {
	for _, by := range [][2]string{{"id", "id"}, {"email", "email"}, {"username", "username"}, {"ip_address", "ip"}} {
		if v := Text(user[by[0]]); v != "" {
			return by[1] + ":" + v
		}
	}
	return ""
}

// ErrorAttrs are the attributes of a prepared event.
func ErrorAttrs(ev Object) Attrs {
	a := Attrs{}
	a.Set("title", Title(ev))
	a.Set("culprit", Culprit(ev))
	a.Set("message", TextAt(ev, "logentry", "formatted"))
	a.Set("platform", Text(ev["platform"]))
	a.setAll(AsObject(ev["tags"]), "")
	a.setCommon(ev)
	a.Set("http.method", TextAt(ev, "request", "method"))
	a.Set("http.url", TextAt(ev, "request", "url"))
	a.Set("user_agent.original", header(ev, "User-Agent"))
	for _, name := range []string{"browser", "os", "runtime", "device"} {
		a.Set(name+".version", TextAt(ev, "contexts", name, "version"))
		a.Set(name+".name", TextAt(ev, "contexts", name, "name"))
	}
	if status, ok := Number(At(ev, "contexts", "response", "status_code")); ok {
		a.Set("http.status_code", status)
	}
	for key, list := range exceptionLists(ev) {
		if len(list) > 0 {
			a[key] = list
		}
	}
	return a
}

// setCommon sets who, and by which SDK.
func (a Attrs) setCommon(ev Object) {
	user := AsObject(ev["user"])
	a.Set("user", userTag(user))
	for _, by := range [][2]string{{"user.id", "id"}, {"user.email", "email"}, {"user.username", "username"}, {"user.ip", "ip_address"}} {
		a.Set(by[0], Text(user[by[1]]))
	}
	a.Set("user.display", cmp.Or(Text(user["email"]), Text(user["username"]), Text(user["id"]), Text(user["ip_address"])))
	a.Set("sdk.name", TextAt(ev, "sdk", "name"))
	a.Set("sdk.version", TextAt(ev, "sdk", "version"))
}

// exceptionLists holds one element for each exception, or for each frame.
func exceptionLists(ev Object) map[string][]any {
	lists := map[string][]any{}
	add := func(key string, v any) {
		if v != nil && v != "" && len(lists[key]) < maxStackAttrs {
			lists[key] = append(lists[key], v)
		}
	}
	for _, e := range Objects(ev["exception"]) {
		add("error.type", Text(e["type"]))
		add("error.value", Clip(Text(e["value"]), maxAttrRunes))
		add("error.mechanism", TextAt(e, "mechanism", "type"))
		if handled, ok := At(e, "mechanism", "handled").(bool); ok {
			add("error.handled", handled)
			add("error.unhandled", !handled)
		}
	}
	for _, frames := range stacks(ev) {
		for _, f := range frames {
			for _, name := range []string{"filename", "function", "module", "abs_path", "package"} {
				add("stack."+name, Clip(Text(f[name]), maxTagRunes))
			}
			if line, ok := Number(f["lineno"]); ok {
				add("stack.lineno", line)
			}
		}
	}
	return lists
}
