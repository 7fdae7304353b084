package sandbox

import (
	"encoding/json"
	"strings"
)

const (
	maxAttrs      = 400
	maxAttrRunes  = 8192
	maxStackAttrs = 200 // frames whose parts can be searched
)

// attrs are what can be searched and selected of one item: a flat JSON object.
type attrs map[string]any

// set keeps what is a scalar and not empty; the first value of a key stays.
func (a attrs) set(key string, v any) {
	if key == "" || len(a) >= maxAttrs {
		return
	}
	if _, ok := a[key]; ok {
		return
	}
	switch v := v.(type) {
	case string:
		if v != "" {
			a[key] = clip(v, maxAttrRunes)
		}
	case bool, float64, int64, json.Number:
		a[key] = v
	case []any, object:
		if raw, err := json.Marshal(v); err == nil {
			a[key] = clip(string(raw), maxAttrRunes)
		}
	}
}

func (a attrs) setAll(o object, prefix string) {
	for _, key := range sortedKeys(o) {
		a.set(prefix+key, o[key])
	}
}

// tagsOf returns the tags that the SDK sent and those that Sentry derives.
func tagsOf(ev object) object {
	tags := object{}
	derive := func(key, value string) {
		if value != "" {
			tags[key] = clip(value, maxTagRunes)
		}
	}
	for key, value := range asObject(ev["tags"]) {
		derive(key, text(value))
	}
	for _, key := range []string{"level", "environment", "release", "dist", "server_name", "transaction", "logger"} {
		derive(key, text(ev[key]))
	}
	derive("url", textAt(ev, "request", "url"))
	derive("user", userTag(asObject(ev["user"])))
	contexts := asObject(ev["contexts"])
	for _, name := range []string{"browser", "os", "runtime"} {
		c := asObject(contexts[name])
		derive(name+".name", text(c["name"]))
		derive(name, strings.TrimSpace(text(c["name"])+" "+text(c["version"])))
	}
	derive("device", textAt(contexts, "device", "model"))
	derive("device.family", textAt(contexts, "device", "family"))
	derive("replayId", textAt(contexts, "replay", "replay_id"))
	if e := mainException(ev); e != nil {
		derive("mechanism", textAt(e, "mechanism", "type"))
		if handled, ok := at(e, "mechanism", "handled").(bool); ok {
			derive("handled", map[bool]string{true: "yes", false: "no"}[handled])
		}
	}
	return tags
}

// userTag names a user by the best that is known of them.
func userTag(user object) string {
	for _, by := range [][2]string{{"id", "id"}, {"email", "email"}, {"username", "username"}, {"ip_address", "ip"}} {
		if v := text(user[by[0]]); v != "" {
			return by[1] + ":" + v
		}
	}
	return ""
}

func errorAttrs(ev object) attrs {
	a := attrs{}
	a.set("title", title(ev))
	a.set("culprit", culprit(ev))
	a.set("message", textAt(ev, "logentry", "formatted"))
	a.set("platform", text(ev["platform"]))
	a.setAll(asObject(ev["tags"]), "")
	a.setCommon(ev)
	a.set("http.method", textAt(ev, "request", "method"))
	a.set("http.url", textAt(ev, "request", "url"))
	a.set("user_agent.original", header(ev, "User-Agent"))
	for _, name := range []string{"browser", "os", "runtime", "device"} {
		a.set(name+".version", textAt(ev, "contexts", name, "version"))
		a.set(name+".name", textAt(ev, "contexts", name, "name"))
	}
	if status, ok := number(at(ev, "contexts", "response", "status_code")); ok {
		a.set("http.status_code", status)
	}
	for key, list := range exceptionLists(ev) {
		if len(list) > 0 {
			a[key] = list
		}
	}
	return a
}

// setCommon sets who, and by which SDK.
func (a attrs) setCommon(ev object) {
	user := asObject(ev["user"])
	a.set("user", userTag(user))
	for _, by := range [][2]string{{"user.id", "id"}, {"user.email", "email"}, {"user.username", "username"}, {"user.ip", "ip_address"}} {
		a.set(by[0], text(user[by[1]]))
	}
	a.set("user.display", firstText(text(user["email"]), text(user["username"]), text(user["id"]), text(user["ip_address"])))
	a.set("sdk.name", textAt(ev, "sdk", "name"))
	a.set("sdk.version", textAt(ev, "sdk", "version"))
}

// exceptionLists holds one element for each exception, or for each frame.
func exceptionLists(ev object) map[string][]any {
	lists := map[string][]any{}
	add := func(key string, v any) {
		if v != nil && v != "" && len(lists[key]) < maxStackAttrs {
			lists[key] = append(lists[key], v)
		}
	}
	for _, e := range objects(ev["exception"]) {
		add("error.type", text(e["type"]))
		add("error.value", clip(text(e["value"]), maxAttrRunes))
		add("error.mechanism", textAt(e, "mechanism", "type"))
		if handled, ok := at(e, "mechanism", "handled").(bool); ok {
			add("error.handled", handled)
			add("error.unhandled", !handled)
		}
	}
	for _, frames := range stacks(ev) {
		for _, f := range frames {
			for _, name := range []string{"filename", "function", "module", "abs_path", "package"} {
				add("stack."+name, clip(text(f[name]), maxTagRunes))
			}
			if line, ok := number(f["lineno"]); ok {
				add("stack.lineno", line)
			}
		}
	}
	return lists
}
