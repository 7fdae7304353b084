package task

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"roundhouse/constraint"
)

// Status is where a task stands, as MCP spells it.
type Status string

// The last three are the end.
const (
	Working       Status = "working"
	InputRequired Status = "input_required"
	Completed     Status = "completed"
	Canceled      Status = "cancelled"
	Failed        Status = "failed"
)

// Ended reports whether a task in this state never changes again.
func (s Status) Ended() bool { return s == Completed || s == Canceled || s == Failed }

// Ref is what finds a task: an id alone does not.
type Ref struct {
	Key constraint.Key
	ID  string
}

// Task is one piece of work.
type Task struct {
	Ref
	Status  Status
	Created time.Time
	Updated time.Time
	Expires time.Time // the store forgets it then, ended or not

	Version int64     // counts the changes
	Runner  string    // who works on it
	Lease   time.Time // until then it does

	Content
}

// Content is what a Store seals: it can hold what a company's errors tell.
type Content struct {
	Tool    string            `json:"tool"`
	Header  map[string]string `json:"header,omitempty"` // of the call
	Call    json.RawMessage   `json:"call"`
	Message string            `json:"message,omitempty"` // how it goes, for people

	Attempts int `json:"attempts,omitempty"` // how often the work was begun

	Asks    map[string]Ask             `json:"asks,omitempty"`    // what was asked in this round
	Answers map[string]json.RawMessage `json:"answers,omitempty"` // to these, by the names the work knows
	State   string                     `json:"state,omitempty"`   // what the work wants back with the answers
	Rounds  int                        `json:"rounds,omitempty"`

	Result json.RawMessage `json:"result,omitempty"` // of a completed task
	Error  json.RawMessage `json:"error,omitempty"`  // of a failed one
}

// Ask is one question of a task to its client.
type Ask struct {
	Name    string          `json:"name"` // what the work calls it
	Request json.RawMessage `json:"request"`
}

// ask begins a round. The keys that clients see are unique for the life of the
// task, so that a late answer never meets a later question.
func (t *Task) ask(requests map[string]json.RawMessage, state string) {
	t.Rounds++
	t.Asks, t.Answers, t.State = map[string]Ask{}, nil, state
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		key := name
		if t.Rounds > 1 {
			key += "-" + strconv.Itoa(t.Rounds)
		}
		t.Asks[key] = Ask{name, requests[name]}
	}
	t.Status = InputRequired
}

// answer takes what answers a question that is still open, and reports whether
// it took anything.
func (t *Task) answer(answers map[string]json.RawMessage) (took bool) {
	for key, answer := range answers {
		open, ok := t.Asks[key]
		if !ok {
			continue
		}
		if t.Answers == nil {
			t.Answers = map[string]json.RawMessage{}
		}
		t.Answers[open.Name] = answer
		delete(t.Asks, key)
		took = true
	}
	return took
}

// end is the one way into a state that is not left.
func (t *Task) end(status Status, message string) {
	t.Status, t.Message = status, message
	t.Runner, t.Lease = "", time.Time{}
	t.Call, t.Header = nil, nil // nobody calls it again
	t.Asks, t.Answers, t.State = nil, nil, ""
}

// fail ends a task by a JSON-RPC error.
func (t *Task) fail(reason string) {
	t.end(Failed, reason)
	t.Result, t.Error = nil, internalError(reason)
}

func internalError(reason string) json.RawMessage {
	text, _ := json.Marshal(reason) // a string always can be
	return json.RawMessage(`{"code":-32603,"message":` + string(text) + `}`)
}
