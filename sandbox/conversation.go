package sandbox

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxNamed  = 100  // agents, tools and traces that a conversation names
	maxSaid   = 2000 // runes of what was asked, and of what was answered
	maxAmount = 1e12 // tokens of one call, or what it cost
)

// conversation is what a user, an agent and its tools did together: the spans
// that share a gen_ai.conversation.id.
type conversation struct {
	ID         string         `json:"conversationId"`
	Title      *string        `json:"title"`
	Flow       []string       `json:"flow"` // agents, in the order in which they took over
	Errors     int            `json:"errors"`
	ModelCalls int            `json:"llmCalls"`
	ToolCalls  int            `json:"toolCalls"`
	ToolErrors int            `json:"toolErrors"`
	Tokens     float64        `json:"totalTokens"`
	Cost       float64        `json:"totalCost"`
	Start      float64        `json:"startTimestamp"` // in milliseconds, other than those of spans
	End        float64        `json:"endTimestamp"`
	TraceCount int            `json:"traceCount"`
	Traces     []string       `json:"traceIds"`
	Tools      []string       `json:"toolNames"`
	FirstInput *string        `json:"firstInput"`
	LastOutput *string        `json:"lastOutput"`
	User       payload.Object `json:"user"`

	traces, tools       map[string]bool
	agents              []turn
	asked, answered, by float64 // when, in Unix seconds, FirstInput, LastOutput and User were
}

// turn is an agent that begins to work.
type turn struct {
	start float64
	agent string
}

func newConversation() *conversation {
	return &conversation{Flow: []string{}, traces: map[string]bool{}, tools: map[string]bool{}, Start: math.Inf(1), asked: math.Inf(1)}
}

// add counts a span, given by its attributes. Spans come in any order.
func (c *conversation) add(trace string, a payload.Object) {
	start, _ := payload.Number(a["precise.start_ts"])
	end, _ := payload.Number(a["precise.finish_ts"])
	c.Start, c.End = min(c.Start, math.Round(start*1e3)), max(c.End, math.Round(end*1e3))
	c.traces[trace] = true
	failed := !slices.Contains([]string{"", "ok", "cancelled", "unknown"}, payload.Text(a["span.status"]))
	if failed {
		c.Errors++
	}
	switch payload.Text(a["gen_ai.operation.type"]) {
	case payload.ModelCall:
		c.ModelCalls++
		c.Tokens += amount(a["gen_ai.usage.total_tokens"])
		c.Cost += amount(a["gen_ai.cost.total_tokens"])
	case payload.ToolCall:
		c.ToolCalls++
		if failed {
			c.ToolErrors++
		}
		c.tools[payload.Text(a["gen_ai.tool.name"])] = true
	case payload.AgentRun:
		c.agents = append(c.agents, turn{start, payload.Text(a["gen_ai.agent.name"])})
	}
	c.listen(start, end, a)
}

// amount is a number that can be added up, whatever was sent.
func amount(v any) float64 {
	f, _ := payload.Number(v)
	return min(max(f, 0), maxAmount)
}

// listen keeps what was asked first, what was answered last, and by whom.
func (c *conversation) listen(start, end float64, a payload.Object) {
	asked := cmp.Or(payload.Text(a["gen_ai.input.messages"]), payload.Text(a["gen_ai.request.messages"]), payload.Text(a["gen_ai.prompt"]))
	if asked != "" && start < c.asked {
		text := payload.Clip(userText(asked), maxSaid)
		c.asked, c.FirstInput = start, &text
	}
	answered := cmp.Or(payload.Text(a["gen_ai.output.messages"]), payload.Text(a["gen_ai.response.text"]))
	if answered != "" && end >= c.answered {
		text := payload.Clip(lastText(answered), maxSaid)
		c.answered, c.LastOutput = end, &text
	}
	if user := userOf(a); user != nil && start >= c.by {
		c.by, c.User = start, user
	}
}

func userOf(a payload.Object) payload.Object {
	user := payload.Object{"id": orNil(payload.Text(a["user.id"])), "email": orNil(payload.Text(a["user.email"])),
		"username": orNil(payload.Text(a["user.username"])), "ip_address": orNil(payload.Text(a["user.ip"]))}
	for _, v := range user {
		if v != nil {
			return user
		}
	}
	return nil
}

// finish makes the lists, when all spans were added.
func (c *conversation) finish() {
	if len(c.traces) == 0 { // the spans were deleted since it was found
		c.Start = 0
	}
	c.TraceCount = len(c.traces)
	c.Traces, c.Tools = named(c.traces), named(c.tools)
	slices.SortFunc(c.agents, func(a, b turn) int { return cmp.Or(cmp.Compare(a.start, b.start), strings.Compare(a.agent, b.agent)) })
	for _, t := range c.agents {
		if n := len(c.Flow); t.agent != "" && n < maxNamed && (n == 0 || c.Flow[n-1] != t.agent) {
			c.Flow = append(c.Flow, t.agent)
		}
	}
}

// named are the first names, without the empty one.
func named(set map[string]bool) []string {
	names := []string{}
	for name := range set {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxNamed)]
}

// userText is what the user said first among messages. Messages that cannot be
// read, for instance because they were too long to be kept whole, are returned
// as they are.
func userText(messages string) string {
	var list []payload.Object
	if err := json.Unmarshal([]byte(messages), &list); err == nil {
		for _, m := range list {
			if m["role"] == "user" {
				return spoken(m)
			}
		}
	}
	return readable(messages)
}

// lastText is the last of messages, or of texts.
func lastText(messages string) string {
	var list []any
	if err := json.Unmarshal([]byte(messages), &list); err == nil && len(list) > 0 {
		return spoken(list[len(list)-1])
	}
	return readable(messages)
}

func readable(messages string) string {
	var v any
	if err := json.Unmarshal([]byte(messages), &v); err == nil {
		return cmp.Or(spoken(v), messages)
	}
	return messages
}

// spoken is the text of a message in any of the forms that there are: content
// is text or a list, parts are a list, and a part has a text or a content.
func spoken(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var texts []string
		for _, part := range v {
			if text := spoken(part); text != "" {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, "\n")
	case payload.Object:
		return cmp.Or(spoken(v["content"]), spoken(v["parts"]), spoken(v["text"]))
	}
	return ""
}
