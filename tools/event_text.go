package tools

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"roundhouse/sentry"
)

const (
	maxExceptions  = 5
	maxFrames      = 40
	maxBreadcrumbs = 20
	maxTags        = 50
	maxValue       = 2 << 10 // bytes of one value
	maxBlock       = 12 << 10
)

func writeEvent(d *document, env Env, org, issue string, e *sentry.Event) {
	d.heading(2, "Event %s", word(e.ID))
	d.fact("Occurred at", stamp(e.DateCreated.Time))
	d.fact("Type", inline(e.Type))
	if e.Release != nil {
		d.fact("Release", inline(e.Release.Version))
	}
	d.fact("SDK", inline(e.SDK.Name+" "+e.SDK.Version))
	if trace, ok := e.Contexts["trace"]["trace_id"].(string); ok {
		d.fact("Trace", traceText(env, org, trace))
	}
	if e.User != nil {
		d.fact("User", inline(userText(*e.User)))
	}
	if e.ID != "" {
		d.fact("URL", address(env.Sentry.EventURL(org, issue, string(e.ID))))
	}
	writeMessage(d, e)
	writeExceptions(d, e)
	writeThreads(d, e)
	if e.Request != nil && e.Request.URL != "" {
		d.heading(3, "Request")
		d.untrusted(strings.TrimSpace(string(e.Request.Method+" "+e.Request.URL)), maxValue)
	}
	writeTags(d, e)
	writeBreadcrumbs(d, e)
	writeValues(d, "Additional data", e.Extra)
}

var traceID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// traceText links to a trace only if its id is one: SDKs send what they like.
func traceText(env Env, org, id string) markdown {
	if traceID.MatchString(id) {
		return link(word(id), env.Sentry.TraceURL(org, id))
	}
	return inline(id)
}

func userText(u sentry.EventUser) string {
	var parts []string
	for _, p := range []struct {
		name  string
		value sentry.Text
	}{{"id", u.ID}, {"username", u.Username}, {"email", u.Email}, {"ip", u.IPAddress}} {
		if p.value != "" {
			parts = append(parts, p.name+"="+string(p.value))
		}
	}
	return strings.Join(parts, " ")
}

func writeMessage(d *document, e *sentry.Event) {
	message := e.LogMessage
	if message == "" && len(e.Exceptions) == 0 {
		message = string(e.Message)
	}
	if message != "" {
		d.heading(3, "Message")
		d.untrusted(message, maxValue)
	}
}

// writeExceptions shows the last exception of a chain first: it is the one
// that was reported.
func writeExceptions(d *document, e *sentry.Event) {
	shown := 0
	for _, x := range slices.Backward(e.Exceptions) {
		if shown++; shown > maxExceptions {
			d.line("\n%s further down the chain left out.", counted(len(e.Exceptions)-maxExceptions, "exception"))
			return
		}
		var title markdown = "Error"
		if shown > 1 {
			title = "Caused by"
		}
		d.heading(3, "%s", title)
		text := string(x.Type)
		if x.Value != "" {
			text += ": " + string(x.Value)
		}
		if x.Mechanism != nil && x.Mechanism.Handled != nil && !*x.Mechanism.Handled {
			text += "\n(not handled by the program)"
		}
		d.untrusted(text+"\n"+stackText(x.Stacktrace), maxBlock)
	}
}

func writeThreads(d *document, e *sentry.Event) {
	if len(e.Exceptions) > 0 {
		return
	}
	for _, t := range e.Threads {
		if t.Crashed || t.Current {
			d.heading(3, "Thread")
			d.untrusted(string(t.ID+" "+t.Name)+"\n"+stackText(t.Stacktrace), maxBlock)
			return
		}
	}
}

// stackText lists frames, the innermost first, with the source around the
// innermost one of the program itself.
func stackText(s *sentry.Stacktrace) string {
	if s == nil || len(s.Frames) == 0 {
		return ""
	}
	var b strings.Builder
	source := focus(s.Frames)
	shown := 0
	for i, f := range slices.Backward(s.Frames) {
		if shown++; shown > maxFrames {
			fmt.Fprintf(&b, "  … %d more frames\n", len(s.Frames)-maxFrames)
			break
		}
		b.WriteString("  at " + frameText(f) + "\n")
		if i == source {
			writeSource(&b, f)
		}
	}
	return b.String()
}

// focus is the index of the innermost frame of the program's own code that
// brings its source, or -1.
func focus(frames []sentry.Frame) int {
	for i, f := range slices.Backward(frames) {
		if bool(f.InApp) && len(f.Context) > 0 {
			return i
		}
	}
	return -1
}

func frameText(f sentry.Frame) string {
	name, file := string(f.Function), string(f.Filename)
	if name == "" {
		name = "?"
	}
	if file == "" {
		file = string(f.AbsPath)
	}
	if f.Module != "" && !strings.HasPrefix(name, string(f.Module)) {
		name = string(f.Module) + "." + name
	}
	text := name + " (" + file
	if f.LineNo > 0 {
		text += fmt.Sprintf(":%d", f.LineNo)
	}
	text += ")"
	if f.InApp {
		text += " [in app]"
	}
	return text
}

func writeSource(b *strings.Builder, f sentry.Frame) {
	for _, line := range f.Context {
		marker := " "
		if line.No == int64(f.LineNo) {
			marker = ">"
		}
		fmt.Fprintf(b, "    %s %5d | %s\n", marker, line.No, cut(line.Text, 200))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Vars)) {
		fmt.Fprintf(b, "      %s = %s\n", name, cut(compact(f.Vars[name]), 200))
	}
}

func writeTags(d *document, e *sentry.Event) {
	if len(e.Tags) == 0 {
		return
	}
	d.heading(3, "Tags")
	var b strings.Builder
	for i, t := range e.Tags {
		if i == maxTags {
			fmt.Fprintf(&b, "… %d more\n", len(e.Tags)-maxTags)
			break
		}
		fmt.Fprintf(&b, "%s: %s\n", printable(string(t.Key)), cut(printable(string(t.Value)), 300))
	}
	d.untrusted(b.String(), maxBlock)
}

func writeBreadcrumbs(d *document, e *sentry.Event) {
	crumbs := e.Breadcrumbs
	if len(crumbs) == 0 {
		return
	}
	if len(crumbs) > maxBreadcrumbs {
		crumbs = crumbs[len(crumbs)-maxBreadcrumbs:]
	}
	d.heading(3, "Breadcrumbs (the last %s of %s)", number(len(crumbs)), number(len(e.Breadcrumbs)))
	var b strings.Builder
	for _, c := range crumbs {
		line := fmt.Sprintf("%s %s [%s] %s", c.Timestamp.String(), c.Level, c.Category, c.Message)
		if len(c.Data) > 0 {
			line += " " + compact(c.Data)
		}
		b.WriteString(cut(printable(line), 400) + "\n")
	}
	d.untrusted(b.String(), maxBlock)
}

func writeValues(d *document, title markdown, values map[string]any) {
	if len(values) == 0 {
		return
	}
	d.heading(3, "%s", title)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s: %s\n", printable(name), cut(printable(compact(values[name])), 400))
	}
	d.untrusted(b.String(), maxBlock)
}

// compact is a value as one line of JSON, or the string it is.
func compact(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	encoded, err := encode(v)
	if err != nil {
		return ""
	}
	return string(encoded)
}
