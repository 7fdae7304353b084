package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/sandbox/payload"
)

const conversationsPath = "/organizations/acme-outdoors/agents/conversations/"

// genAISpan is a span of a container: a second long, n seconds before noon.
func genAISpan(id, trace string, n int, op string, attributes payload.Object) string {
	wrapped := payload.Object{"sentry.op": payload.Object{"value": op, "type": "string"}}
	for key, v := range attributes {
		wrapped[key] = payload.Object{"value": v}
	}
	raw, err := json.Marshal(payload.Object{"trace_id": trace, "span_id": id, "name": op, "status": attributes["status"],
		"start_timestamp": noon.Unix() - int64(n), "end_timestamp": noon.Unix() - int64(n) + 1, "attributes": wrapped})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func spanContainer(spans ...string) string { return `{"items":[` + strings.Join(spans, ",") + `]}` }

func (r *runner) conversations(params string) []conversation {
	r.Helper()
	var out []conversation
	r.get(conversationsPath+params, &out)
	return out
}

func conversationIDs(all []conversation) string {
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.ID
	}
	return strings.Join(ids, " ")
}

func TestConversations_Summary(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	other := strings.Repeat("c", 32)
	in := payload.Object{"gen_ai.conversation.id": "c1"}
	with := func(more payload.Object) payload.Object {
		for key, v := range in {
			more[key] = v
		}
		return more
	}
	r.ingest("span", spanContainer( // not in the order in which things happened
		genAISpan("00000000000000a5", other, 10, "gen_ai.chat", with(payload.Object{"gen_ai.output.messages": `[{"role":"assistant","parts":[{"type":"text","content":"Wear wool."}]}]`,
			"gen_ai.usage.total_tokens": 70, "gen_ai.usage.input_tokens": 1, "gen_ai.cost.total_tokens": 0.25, "user.email": "ann@example.test"})),
		genAISpan("00000000000000a1", traceID, 50, "gen_ai.invoke_agent", with(payload.Object{"gen_ai.agent.name": "guide"})),
		genAISpan("00000000000000a2", traceID, 49, "gen_ai.chat", with(payload.Object{"gen_ai.request.messages": `[{"role":"system","content":"Be kind."},{"role":"user","content":[{"type":"text","text":"What do I wear?"}]}]`,
			"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 10, "gen_ai.cost.total_tokens": 0.5})),
		genAISpan("00000000000000a3", traceID, 40, "gen_ai.execute_tool", with(payload.Object{"gen_ai.tool.name": "weather", "status": "error"})),
		genAISpan("00000000000000a4", traceID, 30, "gen_ai.invoke_agent", with(payload.Object{"gen_ai.agent.name": "outfitter"})),
		genAISpan("00000000000000a6", traceID, 20, "gen_ai.execute_tool", with(payload.Object{"gen_ai.tool.name": "stock"})),
		genAISpan("00000000000000a7", traceID, 5, "gen_ai.chat", payload.Object{"gen_ai.usage.total_tokens": 1000}), // of no conversation
	))
	weather, said := "What do I wear?", "Wear wool."
	want := []conversation{{
		ID: "c1", Flow: []string{"guide", "outfitter"}, Errors: 1, ModelCalls: 2, ToolCalls: 2, ToolErrors: 1, Tokens: 100, Cost: 0.75,
		Start: float64(noon.UnixMilli() - 50_000), End: float64(noon.UnixMilli() - 9_000), TraceCount: 2, Traces: []string{traceID, other},
		Tools: []string{"stock", "weather"}, FirstInput: &weather, LastOutput: &said,
		User: payload.Object{"id": nil, "email": "ann@example.test", "username": nil, "ip_address": nil},
	}}
	if diff := cmp.Diff(want, r.conversations(""), cmp.Comparer(func(a, b conversation) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return string(x) == string(y)
	})); diff != "" {
		t.Error(diff)
	}
}

func TestConversations_Find(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	for i, id := range []any{"older", "newer", 7} {
		r.ingest("span", spanContainer(
			genAISpan(fmt.Sprintf("00000000000000b%d", i), traceID, 100-10*i, "gen_ai.chat", payload.Object{"gen_ai.conversation.id": id, "gen_ai.request.model": fmt.Sprint("m", i)}),
			genAISpan(fmt.Sprintf("00000000000000c%d", i), traceID, 99-10*i, "gen_ai.execute_tool", payload.Object{"gen_ai.conversation.id": id, "sentry.environment": "staging"})))
	}
	for _, tt := range []struct{ reason, params, want string }{
		{"the latest first, and a number is an id, too", "", "7 newer older"},
		{"by one of its spans", "?query=gen_ai.request.model:m0", "older"},
		{"by no span", "?query=gen_ai.request.model:m9", ""},
		{"by its id", "?query=gen_ai.conversation.id:newer", "newer"},
		{"a page", "?per_page=2", "7 newer"},
		{"the next page", "?per_page=2&cursor=0:2:0", "older"},
		{"its project", "?project=storefront", "7 newer older"},
		{"another project", "?project=checkout-api", ""},
		{"another time", "?statsPeriod=30s", ""},
		{"an environment", "?environment=staging", "7 newer older"},
	} {
		if got := conversationIDs(r.conversations(tt.params)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.reason, got, tt.want)
		}
	}
	found := r.conversations("?query=gen_ai.request.model:m0")
	if len(found) != 1 || found[0].ModelCalls != 1 || found[0].ToolCalls != 1 {
		t.Errorf("found by one span: %+v, want it whole", found)
	}
	var old []conversation
	r.get("/organizations/acme-outdoors/ai-conversations/", &old)
	if conversationIDs(old) != "7 newer older" {
		t.Errorf("at the older path: %v", old)
	}
	for _, tt := range []struct{ reason, params string }{
		{"a query that cannot be read", "?query=" + url.QueryEscape("(gen_ai")},
		{"a function", "?query=" + url.QueryEscape("count():>1")},
		{"too large a page", "?per_page=101"},
		{"no cursor", "?cursor=x"},
	} {
		if w := r.api("GET", conversationsPath+tt.params, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", tt.reason, w.Code, w.Body)
		}
	}
}

// conversationAnswer is a page of spans.
type conversationAnswer struct {
	ConversationID string
	Spans          []payload.Object
}

func TestConversation_Spans(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	const id = "with / and %"
	var spans []string
	for i := range 5 {
		spans = append(spans, genAISpan(fmt.Sprintf("00000000000000d%d", i), traceID, 10+i, "gen_ai.chat", payload.Object{"gen_ai.conversation.id": id, "gen_ai.agent.name": "guide"}))
	}
	r.ingest("span", spanContainer(spans...))
	path := conversationsPath + url.PathEscape(id) + "/"
	var page conversationAnswer
	header := r.get(path+"?per_page=2&cursor=0:2:0", &page)
	if len(page.Spans) != 2 || page.ConversationID != id || !strings.Contains(header.Get("Link"), `rel="next"; results="true"; cursor="0:4:0"`) {
		t.Fatalf("%+v, Link %s", page, header.Get("Link"))
	}
	want := payload.Object{"span_id": "00000000000000d2", "trace": traceID, "project": "storefront", "project.id": float64(51001), "gen_ai.conversation.id": id,
		"gen_ai.agent.name": "guide", "gen_ai.operation.type": "ai_client", "precise.start_ts": float64(noon.Unix() - 12), "precise.finish_ts": float64(noon.Unix() - 11)}
	for key, v := range want {
		if page.Spans[0][key] != v {
			t.Errorf("%s is %v, want %v", key, page.Spans[0][key], v)
		}
	}
	header = r.get(path+"?per_page=1000", &page)
	if len(page.Spans) != 5 || !strings.Contains(header.Get("Link"), `rel="next"; results="false"`) {
		t.Errorf("%d spans, Link %s", len(page.Spans), header.Get("Link"))
	}
	var bare []payload.Object
	r.get("/organizations/acme-outdoors/ai-conversations/"+url.PathEscape(id)+"/", &bare)
	if diff := cmp.Diff(page.Spans, bare); diff != "" {
		t.Errorf("at the older path: %s", diff)
	}
	r.get(conversationsPath+"unknown/", &page)
	if page.Spans == nil || len(page.Spans) > 0 {
		t.Errorf("an unknown conversation has %v", page.Spans)
	}
	for _, params := range []string{"?per_page=1001", "?per_page=0", "?cursor=x", "?statsPeriod=x"} {
		if w := r.api("GET", path+params, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", params, w.Code, w.Body)
		}
	}
}

// TestConversation_Large: pages of large spans are shorter, and together they
// are all spans.
func TestConversation_Large(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	large := payload.Object{"gen_ai.conversation.id": "c1"}
	for i := range 7 { // within what an item may have
		large[fmt.Sprint("gen_ai.x", i)] = strings.Repeat("x", 8000)
	}
	const sent = 120
	for i := range sent {
		r.ingest("span", spanContainer(genAISpan(fmt.Sprintf("000000000000e%03d", i), traceID, 10-i%10, "gen_ai.chat", large)))
	}
	var pages []int
	total := 0
	cursor := "0:0:0"
	for more := true; more && len(pages) < 5; {
		var page conversationAnswer
		link := r.get(conversationsPath+"c1/?per_page=1000&cursor="+cursor, &page).Get("Link")
		pages = append(pages, len(page.Spans))
		total += len(page.Spans)
		_, next, _ := strings.Cut(link, `rel="next"; `)
		more = strings.HasPrefix(next, `results="true"`)
		_, cursor, _ = strings.Cut(strings.TrimSuffix(next, `"`), `cursor="`)
	}
	if total != sent || len(pages) != 2 {
		t.Errorf("pages of 56 KB spans: %v", pages)
	}
}

func TestConversation_Text(t *testing.T) {
	for _, tt := range []struct {
		reason, messages, user, last string
	}{
		{"no JSON", "How long?", "How long?", "How long?"},
		{"clipped JSON", `[{"role":"user","content":"How lo`, `[{"role":"user","content":"How lo`, `[{"role":"user","content":"How lo`},
		{"text", `[{"role":"user","content":"How long?"},{"role":"assistant","content":"2 h"}]`, "How long?", "2 h"},
		{"a list", `[{"role":"user","content":[{"type":"text","text":"How"},{"type":"image"},{"type":"text","text":"long?"}]}]`, "How\nlong?", "How\nlong?"},
		{"parts", `[{"role":"user","parts":[{"type":"text","content":"How long?"}]}]`, "How long?", "How long?"},
		{"nobody's", `[{"role":"system","content":"Be kind."}]`, "Be kind.", "Be kind."},
		{"texts", `["a","b"]`, "a\nb", "b"},
		{"one text", `"a"`, "a", "a"},
		{"nothing in it", `[]`, "[]", "[]"},
		{"a number", `7`, "7", "7"},
	} {
		if got := userText(tt.messages); got != tt.user {
			t.Errorf("%s: userText %q, want %q", tt.reason, got, tt.user)
		}
		if got := lastText(tt.messages); got != tt.last {
			t.Errorf("%s: lastText %q, want %q", tt.reason, got, tt.last)
		}
	}
}

// TestConversation_Amounts: what is sent as a number may be anything, and is
// added up.
func TestConversation_Amounts(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	var spans []string
	for i, v := range []any{1e308, 1e308, "1e308", "many", true, -5, 3, "4"} {
		spans = append(spans, genAISpan(fmt.Sprintf("00000000000000f%d", i), traceID, 10, "gen_ai.chat", payload.Object{"gen_ai.conversation.id": "c1",
			"gen_ai.usage.input_tokens": v, "gen_ai.usage.output_tokens": v, "gen_ai.cost.total_tokens": v}))
	}
	r.ingest("span", spanContainer(spans...))
	got := r.conversations("")
	if len(got) != 1 || got[0].Cost != 3*maxAmount+7 || got[0].Tokens != 14 {
		t.Errorf("%+v", got)
	}
}
