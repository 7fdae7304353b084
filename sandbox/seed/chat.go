package seed

import (
	"fmt"
	"time"
)

type (
	// chat is a conversation of a user with an agent: a model is asked what to
	// do, tools do it, and the model is asked again for an answer.
	chat struct {
		id, agent, model string
		moment           int // of the story: a little later, in its trace, and by whom it happened to
		question, answer string
		tools            []toolUse
	}
	toolUse struct {
		name, arguments, result string
		took                    time.Duration
		failed                  bool
	}
	// attributes are of spans in the form in which they are sent alone.
	attributes map[string]any
)

// chat sends all spans of a conversation in one container.
func (t *teller) chat(n int, c chat) {
	at := t.moment(c.moment).Add(time.Minute)
	tell := &chatTeller{teller: t, chat: c, by: pick(t.project.story.to, c.moment), name: fmt.Sprintf("chat %d", n), now: at}
	tell.model(messages("user", c.question), nil, 412, 38)
	for _, use := range c.tools {
		tell.tool(use)
	}
	tell.model(messages("user", c.question), messages("assistant", c.answer), 655, 57)
	tell.span("invoke_agent "+c.agent, "gen_ai.invoke_agent", at, "ok", attributes{"gen_ai.operation.name": "invoke_agent"})
	t.sendAll(tell.now, "span", "span.v2", tell.spans)
}

// chatTeller makes the spans of one chat.
type chatTeller struct {
	*teller
	chat  chat
	by    person
	name  string
	now   time.Time
	spans []any
}

func (t *chatTeller) model(in, out any, tokensIn, tokensOut int) {
	began := t.now
	t.now = began.Add(time.Duration(20*tokensOut) * time.Millisecond)
	a := attributes{
		"gen_ai.operation.name": "chat", "gen_ai.request.model": t.chat.model, "gen_ai.response.model": t.chat.model,
		"gen_ai.usage.input_tokens": tokensIn, "gen_ai.usage.output_tokens": tokensOut, "gen_ai.cost.total_tokens": float64(tokensIn+4*tokensOut) / 1e6,
		"gen_ai.input.messages": in,
	}
	if out != nil {
		a["gen_ai.output.messages"] = out
	}
	t.span("chat "+t.chat.model, "gen_ai.chat", began, "ok", a)
}

func (t *chatTeller) tool(use toolUse) {
	began, status := t.now, "ok"
	t.now = began.Add(use.took)
	if use.failed {
		status = "error"
	}
	t.span("execute_tool "+use.name, "gen_ai.execute_tool", began, status, attributes{
		"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": use.name, "gen_ai.tool.call.arguments": use.arguments, "gen_ai.tool.call.result": use.result,
	})
}

// span adds one that ends now. The agent's own is the last, and the parent of
// the others.
func (t *chatTeller) span(name, op string, began time.Time, status string, a attributes) {
	root := t.hex(16, t.name, 0)
	o := object{"trace_id": t.storyTrace(t.chat.moment), "span_id": root, "name": name, "status": status, "start_timestamp": unix(began), "end_timestamp": unix(t.now), "is_segment": true}
	if op != "gen_ai.invoke_agent" {
		o["span_id"], o["parent_span_id"], o["is_segment"] = t.hex(16, t.name, len(t.spans)+1), root, false
	}
	for key, v := range map[string]any{
		"sentry.op": op, "sentry.release": t.running(began), "sentry.environment": "production", "mark": t.mark, "gen_ai.conversation.id": t.chat.id,
		"gen_ai.agent.name": t.chat.agent, "user.id": t.by.id, "user.email": t.by.email,
	} {
		a[key] = v
	}
	o["attributes"] = a.wrap()
	t.spans = append(t.spans, o)
}

// wrap says of what type each value is, as SDKs do.
func (a attributes) wrap() object {
	out := object{}
	for key, v := range a {
		kind := "string"
		switch v.(type) {
		case int:
			kind = "integer"
		case float64:
			kind = "double"
		}
		out[key] = object{"value": v, "type": kind}
	}
	return out
}

// messages is a list of one message, as text.
func messages(role, text string) string {
	return encoded([]object{{"role": role, "content": text}})
}
