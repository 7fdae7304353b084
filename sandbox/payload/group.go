package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

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

// Grouping says which issue an event belongs to, and why: the parts are what
// the hash is made of.
type Grouping struct {
	Hash  string
	By    string // fingerprint, feedback, occurrence, exception, message, thread or place
	Parts []string
}

// Group decides by the fingerprint that the SDK sent, or else by exceptions,
// message, thread or place, whichever the event has first. Line numbers never
// count: they change with every edit.
func Group(ev Object) Grouping {
	by, parts := fingerprint(ev)
	return Grouping{HashOf(parts), by, parts}
}

// HashOf is the hash that parts make.
func HashOf(parts []string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

func fingerprint(ev Object) (by string, parts []string) {
	if IsFeedback(ev) { // each is an issue
		return "feedback", []string{"feedback", Text(ev["event_id"])}
	}
	if Occurrence(ev) != nil {
		return "occurrence", occurrenceParts(ev)
	}
	given, _ := ev["fingerprint"].([]any)
	if len(given) == 0 {
		return defaultParts(ev)
	}
	for _, v := range given {
		part := Text(v)
		if strings.ReplaceAll(part, " ", "") == "{{default}}" {
			_, own := defaultParts(ev)
			parts = append(parts, own...)
			continue
		}
		parts = append(parts, part)
	}
	return "fingerprint", parts
}

func defaultParts(ev Object) (by string, parts []string) {
	message := TextAt(ev, "logentry", "message")
	exceptions := Objects(ev["exception"])
	switch {
	case hasRealException(exceptions) || len(exceptions) > 0 && message == "":
		return "exception", exceptionParts(exceptions)
	case message != "":
		return "message", []string{parameterize(message)}
	}
	if parts := frameParts(activeThread(ev)); len(parts) > 0 {
		return "thread", parts
	}
	return "place", []string{Text(ev["level"]), Text(ev["logger"]), Culprit(ev)}
}

// hasRealException: an SDK wraps a captured message in a typeless synthetic
// exception to carry the stack; that is still a message.
func hasRealException(exceptions []Object) bool {
	for _, e := range exceptions {
		if Text(e["type"]) != "" || At(e, "mechanism", "synthetic") != true {
			return true
		}
	}
	return false
}

func exceptionParts(exceptions []Object) []string {
	var parts []string
	for _, e := range exceptions {
		if At(e, "mechanism", "synthetic") != true {
			parts = append(parts, Text(e["type"]))
		}
		frames := frameParts(FramesOf(e))
		if len(frames) == 0 {
			frames = []string{parameterize(Text(e["value"]))}
		}
		parts = append(parts, frames...)
	}
	return parts
}

func activeThread(ev Object) []Object {
	for _, flag := range []string{"crashed", "current"} {
		for _, t := range Objects(ev["threads"]) {
			if t[flag] == true {
				return FramesOf(t)
			}
		}
	}
	return nil
}

// frameParts are the frames in our caller's own code, or all when none is.
// Equal neighbors are one: recursion goes as deep as it likes.
func frameParts(frames []Object) []string {
	var parts []string
	for _, f := range OwnFrames(frames) {
		part := framePart(f)
		if len(parts) == 0 || parts[len(parts)-1] != part {
			parts = append(parts, part)
		}
	}
	return parts
}

// OwnFrames are those in the application, or all when none is.
func OwnFrames(frames []Object) []Object {
	var own []Object
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

func framePart(f Object) string {
	where := Text(f["module"])
	if where == "" {
		where = contentHash.ReplaceAllString(strings.ToLower(BaseName(Text(f["filename"]))), "$1")
	}
	what := closureCounter.ReplaceAllString(Text(f["function"]), "$1$2$3")
	if what == "" {
		what = strings.TrimSpace(Text(f["context_line"]))
	}
	return where + "|" + what
}

func parameterize(s string) string {
	s = firstLine(Clip(s, 2000))
	for _, v := range variables {
		s = v.pattern.ReplaceAllString(s, v.name)
	}
	return s
}
