package transport

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventLog_after(t *testing.T) {
	var l eventLog
	one, two := l.begin("s", true), l.begin("s", false)
	var ids []string
	for i, of := range []*track{one, two, one, one} {
		id, mine := of.add(fmt.Appendf(nil, "%d", i))
		if !mine {
			t.Fatalf("event %d is not to be sent", i)
		}
		ids = append(ids, id)
	}
	other, _ := l.begin("other", true).add([]byte("x"))
	for _, tt := range []struct {
		why, session, id string
		ok               bool
		want             string
	}{
		{"the rest of the stream, and of no other", "s", ids[0], true, "2 3"},
		{"nothing was missed", "s", ids[3], true, ""},
		{"the other stream", "s", ids[1], true, ""},
		{"another session's event", "s", other, false, ""},
		{"from another session", "other", ids[0], false, ""},
		{"no event's", "s", "1", false, ""},
		{"no session", "", ids[0], false, ""},
	} {
		_, missed, ok := l.after(tt.session, tt.id)
		var got []string
		for _, e := range missed {
			got = append(got, string(e.message))
		}
		if ok != tt.ok || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q %v, want %q %v", tt.why, got, ok, tt.want, tt.ok)
		}
	}
	l.purge("s")
	if _, _, ok := l.after("s", ids[3]); ok {
		t.Error("an event of a session that has ended is still there")
	}
	if _, _, ok := l.after("other", other); !ok || l.events != 1 || l.bytes != 1 {
		t.Errorf("the other session lost its event: %v, %d events, %d bytes", ok, l.events, l.bytes)
	}
}

// Whatever is dropped, what is left of a session is its end.
func TestEventLog_Bounds(t *testing.T) {
	check := func(t *testing.T, l *eventLog) {
		t.Helper()
		events, bytes := 0, 0
		for name, of := range l.sessions {
			size := 0
			for _, e := range of.events {
				size += len(e.message)
			}
			if size != of.bytes || size > maxSessionEventBytes || len(of.events) > maxSessionEvents || len(of.events) == 0 {
				t.Errorf("session %s holds %d events of %d bytes, counts %d", name, len(of.events), size, of.bytes)
			}
			events, bytes = events+len(of.events), bytes+size
		}
		if events != int(l.events) || bytes != int(l.bytes) || events > maxEvents || bytes > maxEventBytes {
			t.Errorf("%d events of %d bytes, counts %d and %d", events, bytes, l.events, l.bytes)
		}
		if node := l.users.Stats(); node.Events != int64(events) || node.EventBytes != int64(bytes) {
			t.Errorf("%d events of %d bytes, the node counts %d and %d", events, bytes, node.Events, node.EventBytes)
		}
	}
	for why, size := range map[string]int{"many": 1, "large": maxSessionEventBytes / 3, "too large": maxSessionEventBytes + 1} {
		t.Run(why, func(t *testing.T) {
			l := eventLog{users: NewUsers(0)}
			last := map[string]string{}
			for i := range 2 * maxEvents {
				session := fmt.Sprint(i % 9)
				last[session], _ = l.begin(session, true).add(make([]byte, size))
				if i%50 == 0 || i < 30 {
					check(t, &l)
				}
				if i > 64 && size > 1 {
					break
				}
			}
			check(t, &l)
			for session, id := range last {
				if _, _, ok := l.after(session, id); ok != (size <= maxSessionEventBytes) && l.events > 0 {
					t.Errorf("the last event of session %s: %v", session, ok)
				}
			}
		})
	}
}

func TestEventLog_Age(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l eventLog
		of := l.begin("s", true)
		old, _ := of.add([]byte("old"))
		time.Sleep(maxEventAge - time.Second)
		young, _ := of.add([]byte("young"))
		time.Sleep(2 * time.Second)
		if _, _, ok := l.after("s", old); ok {
			t.Error("an old event is still there")
		}
		if _, _, ok := l.after("s", young); !ok {
			t.Error("a young event has gone")
		}
		time.Sleep(maxEventAge)
		if l.sweep(time.Now()); len(l.sessions) != 0 || l.events != 0 || l.bytes != 0 {
			t.Errorf("after the sweep: %d sessions, %d events, %d bytes", len(l.sessions), l.events, l.bytes)
		}
	})
}
