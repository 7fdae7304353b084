package payload

import (
	"cmp"
	"math"
	"strings"
)

// What the operation of a span is that tells of a language model, or of an
// agent around one.
const (
	ModelCall = "ai_client"
	AgentRun  = "agent"
	ToolCall  = "tool"
)

// operationTypes of the operations that are no calls of a model.
var operationTypes = map[string]string{
	"invoke_agent": AgentRun, "create_agent": AgentRun, "execute_tool": ToolCall, "handoff": "handoff",
}

// setGenAI adds what SDKs leave to the server: the type of the operation, and
// how many tokens it took in all.
func (sp Span) setGenAI() {
	op, ok := strings.CutPrefix(Text(sp.Attrs["span.op"]), "gen_ai.")
	if !ok {
		op = ""
	}
	if op = cmp.Or(Text(sp.Attrs["gen_ai.operation.name"]), op); op == "" {
		return
	}
	sp.Attrs.Set("gen_ai.operation.type", cmp.Or(operationTypes[op], ModelCall))
	in, hasIn := Number(sp.Attrs["gen_ai.usage.input_tokens"])
	out, hasOut := Number(sp.Attrs["gen_ai.usage.output_tokens"])
	if total := in + out; (hasIn || hasOut) && !math.IsInf(total, 0) {
		sp.Attrs.Set("gen_ai.usage.total_tokens", total)
	}
}
