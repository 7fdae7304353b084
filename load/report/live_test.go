package report

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roundhouse/load/measure"
)

var measuring = measure.Progress{
	Phase: "measuring", Elapsed: 65 * time.Second, For: 30 * time.Minute,
	Rate: 199.4, P50: 2100 * time.Microsecond, P99: 8 * time.Millisecond, Bad: 3, Contexts: 1000,
}

func TestLive_Plain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := newLive(&b, nil)
		time.Sleep(6 * time.Second) // nothing is known yet
		l.Show(measure.Progress{Phase: "signing in", Done: 12, Of: 100})
		time.Sleep(5 * time.Second)
		l.Show(measuring)
		time.Sleep(10 * time.Second)
		l.Close()
		l.Close()
		line := "measuring 1:05 of 30:00 · 199/s · p50 2.10 ms · p99 8.00 ms · 3 bad · 1 000 contexts · 0 wrong\n"
		if want := "signing in 12/100\n" + line + line + line; b.String() != want {
			t.Errorf("wrote:\n%swant:\n%s", b.String(), want)
		}
	})
}

func TestLive_Terminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := newLive(&b, func() int { return 34 })
		l.Show(measuring)
		time.Sleep(300 * time.Millisecond)
		bad := measuring
		bad.Wrong = 1
		l.Show(bad)
		l.Close()
		want := "\r\x1b[Kmeasuring 1:05 of 30:00 · 199/s…" + "\r\x1b[K\x1b[1;31mmeasuring 1:05 of 30:00 · 1 WRON…\x1b[0m\n"
		if b.String() != want {
			t.Errorf("wrote %q, want %q", b.String(), want)
		}
	})
}

// TestLive_Say keeps what it writes above the line that is drawn again.
func TestLive_Say(t *testing.T) {
	for _, tt := range []struct {
		wide func() int
		want string
	}{
		{nil, "somebody waits\nwarm-up 0:03\n"},
		{func() int { return 80 }, "\r\x1b[Ksomebody waits\n\r\x1b[Kwarm-up 0:03\r\x1b[Kwarm-up 0:03\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			l := newLive(&b, tt.wide)
			l.Show(measure.Progress{Phase: "warm-up", Elapsed: 3 * time.Second})
			l.Say("somebody\nwaits")
			synctest.Wait()
			l.Close()
			l.Say("too late")
			if b.String() != tt.want {
				t.Errorf("wrote %q, want %q", b.String(), tt.want)
			}
		})
	}
}

// TestLive_Silent writes nothing if there is nothing to show.
func TestLive_Silent(t *testing.T) {
	for _, wide := range []func() int{nil, func() int { return 80 }} {
		var b bytes.Buffer
		newLive(&b, wide).Close()
		if b.Len() > 0 {
			t.Errorf("wrote %q", b.String())
		}
	}
	NewLive(io.Discard).Close()
}

func TestLineOf(t *testing.T) {
	bad := measuring
	bad.Wrong = 2
	for want, p := range map[string]measure.Progress{
		"warm-up 0:03":          {Phase: "warm-up", Elapsed: 3 * time.Second},
		"draining 1:00 of 1:00": {Phase: "draining", Elapsed: 2 * time.Minute, For: time.Minute},
		"soak 1:01:01 · 4 bad":  {Phase: "soak", Elapsed: 3661 * time.Second, Bad: 4},
	} {
		if got := lineOf(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := lineOf(bad); !strings.Contains(got, "· 2 WRONG ·") || strings.Contains(got, "0 wrong") {
		t.Errorf("%q does not shout", got)
	}
}
