package payload

import (
	"fmt"
	"strings"
	"testing"
)

// thrown is an event with one exception and one frame, in which %s stands for
// more of the frame.
func thrown(kind, value, frame string) string {
	return fmt.Sprintf(`{"platform":"python","exception":[{"type":%q,"value":%q,"stacktrace":{"frames":[%s]}}]}`, kind, value, frame)
}

func TestGroup(t *testing.T) {
	const frame = `{"function":"f","module":"m","lineno":1,"in_app":true}`
	tests := []struct {
		reason, a, b string
		same         bool
	}{
		{"another line and another value", thrown("E", "id 1", frame), thrown("E", "id 2", strings.Replace(frame, `:1`, `:99`, 1)), true},
		{"another type", thrown("E", "v", frame), thrown("F", "v", frame), false},
		{"another function", thrown("E", "v", frame), thrown("E", "v", strings.Replace(frame, `"f"`, `"g"`, 1)), false},
		{"frames of others do not count", thrown("E", "v", frame), thrown("E", "v", `{"function":"lib","module":"x"},`+frame), true},
		{"without own frames all count", thrown("E", "v", `{"function":"a","module":"x"}`), thrown("E", "v", `{"function":"b","module":"x"}`), false},
		{"recursion of another depth", thrown("E", "v", frame), thrown("E", "v", frame+","+frame+","+frame), true},
		{"a new content hash of the file", thrown("E", "v", `{"filename":"/s/main.3fa9c1.js","function":"f"}`), thrown("E", "v", `{"filename":"/s/main.77aa01.js?x=1","function":"f"}`), true},
		{"a new number of a closure", thrown("E", "v", `{"module":"m","function":"(*T).Do.func2"}`), thrown("E", "v", `{"module":"m","function":"(*T).Do.func5"}`), true},
		{"no frames, other variables", thrown("E", "user 7 of a@b.test at 10.0.0.1", ""), thrown("E", "user 8 of c@d.test at 10.0.0.2", ""), true},
		{"no frames, other text", thrown("E", "disk full", ""), thrown("E", "disk gone", ""), false},
		{"the template of a message", `{"logentry":{"message":"hi %s","formatted":"hi ann"}}`, `{"logentry":{"message":"hi %s","formatted":"hi bob"}}`, true},
		{"a message that differs by an id", `{"message":"job 9ec79c33-ec99-42ab-8353-589fcb2e04dc"}`, `{"message":"job 1ec79c33-ec99-42ab-8353-589fcb2e04dc"}`, true},
		{"a message in a synthetic exception goes by its text", `{"message":"hi","exception":[{"mechanism":{"synthetic":true},"stacktrace":{"frames":[` + frame + `]}}]}`, `{"message":"hi"}`, true},
		{"a fingerprint", `{"message":"a","fingerprint":["x"]}`, `{"message":"b","fingerprint":["x"]}`, true},
		{"a fingerprint with the default in it", `{"message":"a","fingerprint":["{{ default }}","x"]}`, `{"message":"b","fingerprint":["{{default}}","x"]}`, false},
		{"the whole chain counts", `{"exception":[{"type":"A"},{"type":"B"}]}`, `{"exception":[{"type":"C"},{"type":"B"}]}`, false},
		{"the crashed thread", `{"threads":[{"crashed":true,"stacktrace":{"frames":[` + frame + `]}}]}`, `{"threads":[{},{"crashed":true,"stacktrace":{"frames":[` + frame + `]}}]}`, true},
	}
	for _, tt := range tests {
		a, b := Group(prepared(t, tt.a)), Group(prepared(t, tt.b))
		if (a.Hash == b.Hash) != tt.same {
			t.Errorf("%s: parts %q and %q; one issue: %v, want %v", tt.reason, a.Parts, b.Parts, a.Hash == b.Hash, tt.same)
		}
	}
}

func TestTitleAndCulprit(t *testing.T) {
	const frame = `{"function":"f","module":"m","filename":"m.py","in_app":true}`
	tests := []struct{ reason, raw, title, culprit, kind string }{
		{"type and first line", thrown("E", "a\nb", frame), "E: a", "m in f", "error"},
		{"the last of a chain", `{"exception":[{"type":"A","value":"1"},{"type":"B","value":"2"}]}`, "B: 2", "", "error"},
		{"no value", thrown("E", "", ""), "E", "", "error"},
		{"no type", `{"exception":[{"value":"v"}]}`, "v", "", "error"},
		{"a message", `{"message":"hi\nthere","transaction":"GET /"}`, "hi", "GET /", "default"},
		{"nothing", `{}`, "<unlabeled event>", "", "default"},
		{"javascript", `{"platform":"javascript","exception":[{"type":"E","stacktrace":{"frames":[` + frame + `]}}]}`, "E", "f(m)", "error"},
		{"long", `{"message":"` + strings.Repeat("é", 300) + `"}`, strings.Repeat("é", 255), "", "default"},
	}
	for _, tt := range tests {
		ev := prepared(t, tt.raw)
		if Title(ev) != tt.title || Culprit(ev) != tt.culprit || EventType(ev) != tt.kind {
			t.Errorf("%s: %q, %q, %q; want %q, %q, %q", tt.reason, Title(ev), Culprit(ev), EventType(ev), tt.title, tt.culprit, tt.kind)
		}
	}
}
