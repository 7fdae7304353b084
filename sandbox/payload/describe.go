package payload

import (
	"cmp"
	"strings"
)

const maxTitleRunes = 255

// IsFeedback tells what a user wrote from what went wrong. Grouping and titles
// differ.
func IsFeedback(ev Object) bool {
	return Text(ev["type"]) == "feedback" && TextAt(ev, "contexts", "feedback", "message") != ""
}

// EventType is "error" for what has a real exception, "default" for a message,
// "generic" for feedback and for what the backend has noticed.
func EventType(ev Object) string {
	if IsFeedback(ev) || Occurrence(ev) != nil {
		return "generic"
	}
	if hasRealException(Objects(ev["exception"])) {
		return "error"
	}
	return "default"
}

// MainException is the last of the chain: the one that was thrown last.
func MainException(ev Object) Object {
	list := Objects(ev["exception"])
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// Title is type and value of the main exception, or the first line of the message.
func Title(ev Object) string {
	if IsFeedback(ev) {
		return Clip("User Feedback: "+firstLine(TextAt(ev, "contexts", "feedback", "message")), maxTitleRunes)
	}
	if Occurrence(ev) != nil {
		return occurrenceTitle(ev)
	}
	e := MainException(ev)
	if kind, value := Text(e["type"]), firstLine(Text(e["value"])); EventType(ev) == "error" && kind+value != "" {
		if kind == "" || value == "" {
			return Clip(kind+value, maxTitleRunes)
		}
		return Clip(kind+": "+value, maxTitleRunes)
	}
	message := firstLine(TextAt(ev, "logentry", "formatted"))
	return Clip(cmp.Or(message, firstLine(Text(e["value"])), "<unlabeled event>"), maxTitleRunes)
}

// Culprit is where it went wrong: the transaction, or else the top frame; "" when
// neither is known.
func Culprit(ev Object) string {
	if t := Text(ev["transaction"]); t != "" {
		return t
	}
	frames := FramesOf(MainException(ev))
	if len(frames) == 0 {
		frames = activeThread(ev)
	}
	own := OwnFrames(frames)
	if len(own) == 0 {
		return ""
	}
	top := own[len(own)-1]
	where, function := cmp.Or(Text(top["module"]), Text(top["filename"])), cmp.Or(Text(top["function"]), "?")
	switch platform := Text(ev["platform"]); {
	case where == "":
		return Clip(function, 200)
	case strings.HasPrefix(platform, "javascript") || platform == "node":
		return Clip(function+"("+where+")", 200)
	}
	return Clip(where+" in "+function, 200)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}
