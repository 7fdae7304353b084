package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"roundhouse/load/measure"
)

// Live shows how a run goes: a line that is drawn again and again on a terminal,
// and a line every five seconds elsewhere. It is safe for concurrent use.
type Live struct {
	w     io.Writer
	wide  func() int // of the terminal; nil: it is none
	every time.Duration

	latest atomic.Pointer[measure.Progress]
	lines  chan string // to stay
	stop   func()
	done   chan struct{} // closed when the goroutine has ended
}

// NewLive starts the goroutine that writes; Close ends it.
func NewLive(w io.Writer) *Live {
	if !terminal(w) {
		return newLive(w, nil)
	}
	f := w.(*os.File)
	return newLive(w, func() int {
		wide, _, err := term.GetSize(int(f.Fd()))
		if err != nil || wide <= 0 {
			return 80
		}
		return wide
	})
}

func newLive(w io.Writer, wide func() int) *Live {
	l := &Live{w: w, wide: wide, every: 5 * time.Second, lines: make(chan string), done: make(chan struct{})}
	if wide != nil {
		l.every = 250 * time.Millisecond
	}
	stop := make(chan struct{})
	l.stop = sync.OnceFunc(func() { close(stop) })
	go l.run(stop)
	return l
}

// Show gives it something newer to show.
func (l *Live) Show(p measure.Progress) { l.latest.Store(&p) }

// Say writes a line that stays. After Close it writes nothing.
func (l *Live) Say(line string) {
	select {
	case l.lines <- line:
	case <-l.done:
	}
}

// Close writes the latest once more and returns when nothing will be written
// anymore.
func (l *Live) Close() {
	l.stop()
	<-l.done
}

func (l *Live) run(stop <-chan struct{}) {
	defer close(l.done)
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.draw()
		case line := <-l.lines:
			l.keep(line)
		case <-stop:
			l.draw()
			if l.wide != nil && l.latest.Load() != nil {
				_, _ = io.WriteString(l.w, "\n")
			}
			return
		}
	}
}

// draw leaves the cursor at the end of the line on a terminal, and below it
// elsewhere. That a run's progress cannot be written does not stop the run.
func (l *Live) draw() {
	p := l.latest.Load()
	if p == nil {
		return
	}
	line := lineOf(*p)
	if l.wide == nil {
		_, _ = io.WriteString(l.w, line+"\n")
		return
	}
	line = clean(line, max(1, l.wide()-1)) // a full line would go on to the next
	if p.Wrong > 0 {
		line = "\x1b[1;31m" + line + "\x1b[0m"
	}
	_, _ = io.WriteString(l.w, "\r\x1b[K"+line)
}

func (l *Live) keep(line string) {
	line = clean(line, longText) + "\n"
	if l.wide != nil {
		line = "\r\x1b[K" + line
	}
	_, _ = io.WriteString(l.w, line)
	if l.wide != nil {
		l.draw()
	}
}

// lineOf is the line that is shown. What matters most is first: a narrow
// terminal cuts the rest off.
func lineOf(p measure.Progress) string {
	parts := []string{clean(p.Phase, longName)}
	switch {
	case p.Of > 0:
		parts[0] += fmt.Sprintf(" %s/%s", count(p.Done), count(p.Of))
	case p.For > 0:
		parts[0] += fmt.Sprintf(" %s of %s", clock(min(p.Elapsed, p.For)), clock(p.For))
	case p.Elapsed > 0:
		parts[0] += " " + clock(p.Elapsed)
	}
	if p.Wrong > 0 {
		parts = append(parts, count(p.Wrong)+" WRONG")
	}
	if p.Rate > 0 {
		parts = append(parts, number(p.Rate)+"/s", "p50 "+duration(p.P50), "p99 "+duration(p.P99))
	}
	if p.Rate > 0 || p.Bad > 0 {
		parts = append(parts, count(p.Bad)+" bad")
	}
	if p.Contexts > 0 {
		parts = append(parts, plural(p.Contexts, "context", "contexts"))
	}
	if p.Rate > 0 && p.Wrong == 0 {
		parts = append(parts, "0 wrong")
	}
	return strings.ReplaceAll(strings.Join(parts, " · "), nbsp, " ")
}

// clock is minutes and seconds: 1:05.
func clock(d time.Duration) string {
	s := int(max(0, d) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
