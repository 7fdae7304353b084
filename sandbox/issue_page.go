package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"roundhouse/sandbox/payload"
)

const (
	pageFrames = 40  // of a stack on a page
	pageText   = 500 // letters of one value on a page
)

// issueView is an issue on its page, with one of its events.
type issueView struct {
	Title, Culprit string
	Facts          []fact
	Event          string // its id; "": none is stored any more
	EventFacts     []fact
	Frames         []frameLine // the innermost call first
	Cut            bool        // there are more frames than these
	Parts          []string    // what its events have in common
}

// fact is a line of a page. Without a value it is left out.
type fact struct{ Name, Value, Link string }

type frameLine struct {
	Function, Where, Source string
	Own                     bool
}

// showIssue shows an issue with the latest of its events, or with the one that
// the path names.
func (s *Sandbox) showIssue(w http.ResponseWriter, hr *http.Request) {
	s.showMember(w, hr, "issue", func(r *request) (page, error) {
		is, err := r.issue()
		if err != nil {
			return page{}, err
		}
		named := r.PathValue("event") != ""
		if !named {
			r.SetPathValue("event", "latest")
		}
		ev, err := r.eventOf(is)
		var none *apiError
		if errors.As(err, &none) && !named {
			err = nil // an issue stays for longer than its events
		}
		return page{Title: is.short, Issue: r.issueView(is, ev)}, err
	})
}

func (r *request) issueView(is issue, ev event) *issueView {
	v := &issueView{Title: is.title, Culprit: is.culprit, Parts: is.parts, Event: ev.id}
	status := is.status
	if is.substatus != "" {
		status += ", " + is.substatus
	}
	v.Facts = []fact{
		{Name: "Status", Value: status}, {Name: "Level", Value: is.level}, {Name: "Category", Value: is.category},
		{Name: "Events", Value: strconv.FormatInt(is.count, 10)}, {Name: "Users", Value: strconv.FormatInt(is.users, 10)},
		{Name: "First seen", Value: stamp(is.first)}, {Name: "Last seen", Value: stamp(is.last)},
		{Name: "First release", Value: is.firstRelease, Link: r.pageLink("releases", is.firstRelease)},
	}
	if ev.id == "" {
		return v
	}
	trace := payload.HexID(payload.At(ev.body, "contexts", "trace", "trace_id"), 32)
	replay := payload.HexID(payload.At(ev.body, "contexts", "replay", "replay_id"), 32)
	v.EventFacts = []fact{
		{Name: "Time", Value: stamp(ev.ts)}, {Name: "Message", Value: payload.TextAt(ev.body, "logentry", "formatted")},
		{Name: "Release", Value: payload.Text(ev.body["release"])}, {Name: "Environment", Value: payload.Text(ev.body["environment"])},
		{Name: "User", Value: userLabel(payload.AsObject(ev.body["user"]))},
		{Name: "Trace", Value: trace, Link: r.pageLink("explore", "traces", "trace", trace)},
		{Name: "Replay", Value: replay, Link: r.pageLink("replays", replay)},
	}
	for i := range v.EventFacts {
		v.EventFacts[i].Value = payload.Clip(v.EventFacts[i].Value, pageText)
	}
	frames := payload.FramesOf(payload.MainException(ev.body))
	v.Cut = len(frames) > pageFrames
	for i := len(frames) - 1; i >= max(0, len(frames)-pageFrames); i-- {
		v.Frames = append(v.Frames, lineOf(frames[i]))
	}
	return v
}

func userLabel(user payload.Object) string {
	for _, name := range []string{"email", "username", "name", "id"} {
		if text := payload.Text(user[name]); text != "" {
			return text
		}
	}
	return ""
}

func lineOf(f payload.Object) frameLine {
	line := frameLine{
		Function: payload.Clip(payload.Text(f["function"]), pageText), Where: payload.Clip(payload.Text(f["filename"]), pageText),
		Source: payload.Clip(payload.Text(f["context_line"]), pageText), Own: f["in_app"] == true,
	}
	if line.Where == "" {
		line.Where = payload.Clip(payload.Text(f["module"]), pageText)
	}
	if n, ok := payload.Number(f["lineno"]); ok {
		line.Where += fmt.Sprintf(":%.0f", n)
	}
	return line
}
