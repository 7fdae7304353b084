package payload

import (
	"strings"
	"testing"
	"time"
)

func TestSpan_GenAI(t *testing.T) {
	trace, span, now := strings.Repeat("a", 32), strings.Repeat("b", 16), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		op, operation string
		want          any
	}{
		{"gen_ai.chat", "", "ai_client"},
		{"gen_ai.invoke_agent", "", "agent"},
		{"gen_ai.execute_tool", "", "tool"},
		{"gen_ai.handoff", "", "handoff"},
		{"function", "execute_tool", "tool"},
		{"gen_ai.execute_tool", "chat", "ai_client"},
		{"function", "", nil},
		{"gen_ai", "", nil},
	} {
		attributes := Object{"sentry.op": tt.op, "gen_ai.operation.name": tt.operation}
		for form, read := range map[string]func() (Span, bool){
			"v1": func() (Span, bool) {
				return SpanV1(Object{"trace_id": trace, "span_id": span, "data": attributes}, now)
			},
			"v2": func() (Span, bool) {
				return SpanV2(Object{"trace_id": trace, "span_id": span, "attributes": attributes}, now)
			},
		} {
			if sp, ok := read(); !ok || sp.Attrs["gen_ai.operation.type"] != tt.want {
				t.Errorf("%s of %s %s is %v, want %v", form, tt.op, tt.operation, sp.Attrs["gen_ai.operation.type"], tt.want)
			}
		}
	}
	if sp, _ := SpanV2(Object{"trace_id": trace, "span_id": span, "attributes": Object{"sentry.op": "gen_ai.chat", "gen_ai.operation.type": "tool"}}, now); sp.Attrs["gen_ai.operation.type"] != "tool" {
		t.Error("what the SDK says does not stay")
	}
}
