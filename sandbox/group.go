package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

const maxTitleRunes = 255

var (
	// Lambdas and closures are numbered anew by every build.
	closureCounter = regexp.MustCompile(`(\$\$Lambda)\$\d+|(\bfunc)\d+\b|(<anonymous>|lambda)[_$]?\d+`)
	contentHash    = regexp.MustCompile(`[.-][0-9a-f]{6,}(\.[A-Za-z]+)$`)

	// variables are what differs between two messages of one fault. Order
	// matters: a date is also numbers, an id also letters.
	variables = []struct {
		pattern *regexp.Regexp
		name    string
	}{
		{regexp.MustCompile(`[\w.+-]+@[\w-]+\.[\w.-]+`), "<email>"},
		{regexp.MustCompile(`\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?`), "<date>"},
		{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`), "<ip>"},
		{regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<id>"},
		{regexp.MustCompile(`(?i)\b(?:0x[0-9a-f]+|[0-9a-f]{16,})\b`), "<id>"},
		{regexp.MustCompile(`\d+(?:\.\d+)?`), "<n>"},
	}
)

// grouping says which issue an event belongs to, and why: the parts are what
// the hash is made of.
type grouping struct {
	hash  string
	parts []string
}

// group decides by the fingerprint that the SDK sent, or else by exceptions,
// message, thread or place, whichever the event has first. Line numbers never
// count: they change with every edit.
func group(ev object) grouping {
	parts := fingerprint(ev)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return grouping{hex.EncodeToString(sum[:16]), parts}
}

func fingerprint(ev object) []string {
	if isFeedback(ev) { // each is an issue
		return []string{"feedback", text(ev["event_id"])}
	}
	given, _ := ev["fingerprint"].([]any)
	if len(given) == 0 {
		return defaultParts(ev)
	}
	var parts []string
	for _, v := range given {
		part := text(v)
		if strings.ReplaceAll(part, " ", "") == "{{default}}" {
			parts = append(parts, defaultParts(ev)...)
			continue
		}
		parts = append(parts, part)
	}
	return parts
}

func defaultParts(ev object) []string {
	message := textAt(ev, "logentry", "message")
	exceptions := objects(ev["exception"])
	switch {
	case hasRealException(exceptions) || len(exceptions) > 0 && message == "":
		return exceptionParts(exceptions)
	case message != "":
		return []string{parameterize(message)}
	}
	if parts := frameParts(activeThread(ev)); len(parts) > 0 {
		return parts
	}
	return []string{text(ev["level"]), text(ev["logger"]), culprit(ev)}
}

// hasRealException: an SDK wraps a captured message in a typeless synthetic
// exception to carry the stack; that is still a message.
func hasRealException(exceptions []object) bool {
	for _, e := range exceptions {
		if text(e["type"]) != "" || at(e, "mechanism", "synthetic") != true {
			return true
		}
	}
	return false
}

func exceptionParts(exceptions []object) []string {
	var parts []string
	for _, e := range exceptions {
		if at(e, "mechanism", "synthetic") != true {
			parts = append(parts, text(e["type"]))
		}
		frames := frameParts(framesOf(e))
		if len(frames) == 0 {
			frames = []string{parameterize(text(e["value"]))}
		}
		parts = append(parts, frames...)
	}
	return parts
}

func activeThread(ev object) []object {
	for _, flag := range []string{"crashed", "current"} {
		for _, t := range objects(ev["threads"]) {
			if t[flag] == true {
				return framesOf(t)
			}
		}
	}
	return nil
}

// frameParts are the frames in our caller's own code, or all when none is.
// Equal neighbors are one: recursion goes as deep as it likes.
func frameParts(frames []object) []string {
	var parts []string
	for _, f := range ownFrames(frames) {
		part := framePart(f)
		if len(parts) == 0 || parts[len(parts)-1] != part {
			parts = append(parts, part)
		}
	}
	return parts
}

func ownFrames(frames []object) []object {
	var own []object
	for _, f := range frames {
		if f["in_app"] == true {
			own = append(own, f)
		}
	}
	if len(own) == 0 {
		return frames
	}
	return own
}

func framePart(f object) string {
	where := text(f["module"])
	if where == "" {
		where = contentHash.ReplaceAllString(strings.ToLower(baseName(text(f["filename"]))), "$1")
	}
	what := closureCounter.ReplaceAllString(text(f["function"]), "$1$2$3")
	if what == "" {
		what = strings.TrimSpace(text(f["context_line"]))
	}
	return where + "|" + what
}

func parameterize(s string) string {
	s = firstLine(clip(s, 2000))
	for _, v := range variables {
		s = v.pattern.ReplaceAllString(s, v.name)
	}
	return s
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// eventType is "error" for what has a real exception, "default" for a message,
// "generic" for feedback.
func eventType(ev object) string {
	if isFeedback(ev) {
		return "generic"
	}
	if hasRealException(objects(ev["exception"])) {
		return "error"
	}
	return "default"
}

// mainException is the last of the chain: the one that was thrown last.
func mainException(ev object) object {
	list := objects(ev["exception"])
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

func title(ev object) string {
	if isFeedback(ev) {
		return clip("User Feedback: "+firstLine(textAt(ev, "contexts", "feedback", "message")), maxTitleRunes)
	}
	e := mainException(ev)
	if kind, value := text(e["type"]), firstLine(text(e["value"])); eventType(ev) == "error" && kind+value != "" {
		if kind == "" || value == "" {
			return clip(kind+value, maxTitleRunes)
		}
		return clip(kind+": "+value, maxTitleRunes)
	}
	message := firstLine(textAt(ev, "logentry", "formatted"))
	return clip(firstText(message, firstLine(text(e["value"])), "<unlabeled event>"), maxTitleRunes)
}

func culprit(ev object) string {
	if t := text(ev["transaction"]); t != "" {
		return t
	}
	frames := framesOf(mainException(ev))
	if len(frames) == 0 {
		frames = activeThread(ev)
	}
	own := ownFrames(frames)
	if len(own) == 0 {
		return ""
	}
	top := own[len(own)-1]
	where, function := firstText(text(top["module"]), text(top["filename"])), firstText(text(top["function"]), "?")
	switch platform := text(ev["platform"]); {
	case where == "":
		return clip(function, 200)
	case strings.HasPrefix(platform, "javascript") || platform == "node":
		return clip(function+"("+where+")", 200)
	}
	return clip(where+" in "+function, 200)
}
