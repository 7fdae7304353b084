package transport

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"roundhouse/task"
)

// recording is the client of a call that becomes a task: it reads the answer as
// it is written, JSON or a stream of events, and keeps only what the task needs.
type recording struct {
	header  http.Header
	say     func(message string)
	body    bytes.Buffer // JSON, or what has come of an event
	answer  *recordedAnswer
	tooMuch bool
}

type recordedAnswer struct {
	Method string `json:"method"`
	Params struct {
		Message string `json:"message"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func newRecording(say func(string)) *recording { return &recording{header: http.Header{}, say: say} }

func (rec *recording) Header() http.Header { return rec.header }
func (rec *recording) WriteHeader(int)     {}
func (rec *recording) Flush()              {}

func (rec *recording) Write(b []byte) (int, error) {
	if rec.body.Len()+len(b) > task.MaxContent {
		rec.tooMuch = true
		return len(b), nil
	}
	rec.body.Write(b)
	if rec.streams() {
		rec.readEvents()
	}
	return len(b), nil
}

func (rec *recording) streams() bool {
	return strings.HasPrefix(rec.header.Get("Content-Type"), "text/event-stream")
}

// readEvents takes the events that are whole, and leaves the rest.
func (rec *recording) readEvents() {
	for {
		event, rest, whole := bytes.Cut(rec.body.Bytes(), []byte("\n\n"))
		if !whole {
			return
		}
		rec.readEvent(event)
		rest = bytes.Clone(rest)
		rec.body.Reset()
		rec.body.Write(rest)
	}
}

func (rec *recording) readEvent(event []byte) {
	var data []byte
	for line := range bytes.Lines(event) {
		if text, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(text, []byte(" "))...)
		}
	}
	rec.read(data)
}

func (rec *recording) read(message []byte) {
	var m recordedAnswer
	if json.Unmarshal(message, &m) != nil {
		return
	}
	switch {
	case m.Method == "notifications/progress" && m.Params.Message != "":
		rec.say(cutText(m.Params.Message, maxStatusMessage))
	case m.Method == "":
		rec.answer = &m
	}
}

const maxStatusMessage = 500

func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// outcome is what the task comes to. Without an answer it is none: the call was
// cut off.
func (rec *recording) outcome() task.Outcome {
	if rec.tooMuch {
		return task.Outcome{Error: json.RawMessage(`{"code":-32603,"message":"The answer is too large to be kept. Ask for less."}`)}
	}
	if !rec.streams() {
		rec.read(rec.body.Bytes())
	}
	if rec.answer == nil {
		return task.Outcome{}
	}
	var asks struct {
		ResultType    string                     `json:"resultType"`
		InputRequests map[string]json.RawMessage `json:"inputRequests"`
		RequestState  string                     `json:"requestState"`
	}
	if json.Unmarshal(rec.answer.Result, &asks) == nil && asks.ResultType == "input_required" {
		return task.Outcome{Asks: asks.InputRequests, State: asks.RequestState}
	}
	return task.Outcome{Result: rec.answer.Result, Error: rec.answer.Error}
}
