package payload

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	aClick    = `{"type":5,"timestamp":1763640000500,"data":{"tag":"breadcrumb","payload":{"category":"ui.click","message":"body > button#pay"}}}`
	deadClick = `{"type":5,"timestamp":1763640009000,"data":{"tag":"breadcrumb","payload":{"category":"ui.slowClickDetected","message":"body > button#pay",
		"data":{"endReason":"timeout","timeAfterClickMs":7000,"clickCount":2,"node":{"tagName":"button","attributes":{"id":"pay","class":"big red"}}}}}}`
)

func TestParseRecording(t *testing.T) {
	plain := "[" + aClick + "," + deadClick + "," + strings.Replace(deadClick, `"clickCount":2`, `"clickCount":5`, 1) + "," +
		strings.Replace(deadClick, `"timeout"`, `"mutation"`, 1) + "," + strings.Replace(deadClick, `"tagName":"button"`, `"tagName":"div"`, 1) + "]"
	for reason, body := range map[string]string{"plain": plain, "zlib": packed(t, plain), "space before it": " \n" + plain} {
		rec, err := ParseRecording([]byte("{\"segment_id\":7}\n"+body), nil)
		if err != nil {
			t.Errorf("%s: %v", reason, err)
			continue
		}
		var dead, rage int
		for _, c := range rec.Clicks {
			if c.Dead {
				dead++
			}
			if c.Rage {
				rage++
			}
		}
		if rec.Segment != 7 || len(rec.Clicks) != 3 || dead != 2 || rage != 1 || rec.Start != 1763640000.5 || rec.End != 1763640009 {
			t.Errorf("%s: segment %d, %d clicks, %d dead, %d of rage, from %v to %v", reason, rec.Segment, len(rec.Clicks), dead, rage, rec.Start, rec.End)
		}
		var want, got any
		if err := json.Unmarshal([]byte(plain), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(rec.Events, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
}

func TestParseRecording_Errors(t *testing.T) {
	for _, tt := range []struct{ reason, raw, want string }{
		{"nothing", "", "header"},
		{"no segment", "{}\n[]", "no segment_id"},
		{"half a segment", `{"segment_id":0.5}` + "\n[]", "no segment_id"},
		{"a negative segment", `{"segment_id":-1}` + "\n[]", "no segment_id"},
		{"no array", `{"segment_id":0}` + "\n{}", "neither"},
		{"no array in zlib", `{"segment_id":0}` + "\n" + packed(t, "{}"), "not a JSON array"},
		{"half an array", `{"segment_id":0}` + "\n[{}", "array"},
		{"more than an array", `{"segment_id":0}` + "\n[][]", "follows"},
		{"cut zlib", `{"segment_id":0}` + "\n" + packed(t, "[]")[:6], "EOF"},
		{"a bomb", `{"segment_id":0}` + "\n" + packed(t, "["+strings.Repeat(" ", maxRecording)+"]"), "longer than"},
	} {
		if _, err := ParseRecording([]byte(tt.raw), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.reason, err, tt.want)
		}
	}
}

// TestParseRecording_Secrets: what was typed into a field for secrets is gone,
// also when another segment told which fields those are.
func TestParseRecording_Secrets(t *testing.T) {
	page := `[{"type":2,"data":{"node":{"type":0,"id":1,"childNodes":[
		{"type":2,"id":2,"tagName":"input","attributes":{"name":"user_password","value":"hunter2"}},
		{"type":2,"id":3,"tagName":"input","attributes":{"name":"city","value":"Oslo"}}]}}},
		{"type":3,"data":{"source":0,"adds":[{"parentId":1,"node":{"id":4,"attributes":{"type":"password"}}}],"attributes":[{"id":4,"attributes":{"value":"hunter2"}}]}},
		{"type":3,"data":{"source":5,"id":2,"text":"hunter22"}},{"type":3,"data":{"source":5,"id":3,"text":"Bergen"}},
		{"type":5,"data":{"tag":"performanceSpan","payload":{"description":"https://a.test/?token=hunter2","data":{"request":{"headers":{"authorization":"hunter2"}}}}}}]`
	first, err := ParseRecording([]byte(`{"segment_id":0}`+"\n"+page), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(first.Events); strings.Contains(s, "hunter2") || !strings.Contains(s, "Oslo") || !strings.Contains(s, "Bergen") {
		t.Errorf("first segment: %s", s)
	}
	if diff := cmp.Diff([]int64{2, 4}, first.Secrets); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	second, err := ParseRecording([]byte(`{"segment_id":1}`+"\n"+`[{"type":3,"data":{"source":5,"id":4,"text":"hunter2","isChecked":false}}]`), first.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(second.Events); strings.Contains(s, "hunter2") {
		t.Errorf("second segment: %s", s)
	}
}

// FuzzParseRecording: whatever comes, what is kept is a JSON array.
func FuzzParseRecording(f *testing.F) {
	f.Add([]byte("{\"segment_id\":0}\n[" + aClick + "," + deadClick + "]"))
	f.Add([]byte("{\"segment_id\":1}\n" + packed(f, `[{"type":3,"data":{"source":5,"id":2,"text":"x"}},{"type":2,"data":{"node":{"id":2,"attributes":{"name":"token"}}}}]`)))
	f.Add([]byte("{\"segment_id\":1e9}\nx"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := ParseRecording(raw, []int64{1})
		if err != nil {
			return
		}
		var events []any
		if err := json.Unmarshal(rec.Events, &events); err != nil {
			t.Fatalf("kept %q: %v", rec.Events, err)
		}
		rep := Replay{}
		rep.Record(rec, Arrival{})
		if _, err := json.Marshal(rep.Attrs()); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzReplay_Tell: whatever a replay event holds, the replay can be stored and
// read again.
func FuzzReplay_Tell(f *testing.F) {
	f.Add([]byte(`{"replay_id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa0001","segment_id":0,"replay_start_timestamp":1,"timestamp":"2026-11-20T11:00:00Z","urls":["a","a",1],
		"error_ids":["x","aaaaaaaaaaaaaaaaaaaaaaaaaaaa0001"],"trace_ids":{},"tags":[["a","b"]],"user":{"id":7},"contexts":{"trace":{"trace_id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa0001"}},
		"request":{"headers":{"User-Agent":"iPhone Version/17"}},"sdk":{"name":"n"},"release":"r","dist":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ev, err := ParseObject(raw)
		if err != nil {
			return
		}
		var rep, again Replay
		rep.Tell(ev, Arrival{Received: atNoon})
		stored, err := json.Marshal(rep)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		if rep.Finished < rep.Started || rep.Duration() != again.Duration() || len(rep.Attrs()) != len(again.Attrs()) {
			t.Fatalf("%+v, read again %+v", rep, again)
		}
	})
}
