package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"roundhouse/sandbox/payload"
)

// TestStoreGroup: a batch that fails takes back all that it did, and those that
// are stored with it are stored, once.
func TestStoreGroup(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	var p project
	if err := r.sb.read().QueryRow("SELECT " + projectColumns + " FROM project p ORDER BY id LIMIT 1").Scan(p.fields()...); err != nil {
		t.Fatal(err)
	}
	unlucky := &badPayload{errors.New("unlucky")}
	var group []*delivery
	for n := range 4 {
		env, err := payload.ParseEnvelope([]byte(sent(3*n, noon)))
		if err != nil {
			t.Fatal(err)
		}
		b := &batch{Arrival: payload.Arrival{Received: noon}, project: p}
		if err := b.read(env); err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			b.steps = append(b.steps, func() error { return unlucky })
		}
		group = append(group, &delivery{batch: b, done: make(chan struct{})})
	}
	r.sb.writing <- struct{}{}
	r.sb.storeGroup(t.Context(), group)
	<-r.sb.writing
	for n, d := range group {
		select {
		case <-d.done:
		case <-time.After(time.Minute):
			t.Fatal("nobody is told")
		}
		got, want := fmt.Sprint(d.id, d.err, d.stored), fmt.Sprint(sentID(3*n), nil, 1)
		if n == 2 {
			want = fmt.Sprint("", unlucky, 0)
		}
		if got != want {
			t.Errorf("batch %d: %s, want %s", n, got, want)
		}
	}
	var items, counted int
	if err := r.sb.read().QueryRow("SELECT (SELECT count(*) FROM item), (SELECT sum(count) FROM issue)").Scan(&items, &counted); err != nil || items != 3 || counted != 3 {
		t.Errorf("%d items are stored and %d counted, %v, want 3", items, counted, err)
	}
}

// TestCommit_Waiting: more may wait for a transaction than may be read at a time,
// so that they share it.
func TestCommit_Waiting(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	r.sb.writing <- struct{}{}
	var all sync.WaitGroup
	for n := range 2 * maxReceiving {
		all.Go(func() {
			req := httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(sent(n, noon)))
			if w := r.send(req); w.Code != http.StatusOK {
				t.Errorf("envelope %d: %d %s", n, w.Code, w.Body)
			}
		})
	}
	for begun := time.Now(); r.sb.waiting.len() < 2*maxReceiving && time.Since(begun) < time.Minute; {
		runtime.Gosched()
	}
	if n := r.sb.waiting.len(); n != 2*maxReceiving {
		t.Errorf("%d wait, want %d", n, 2*maxReceiving)
	}
	<-r.sb.writing
	all.Wait()
	if n := len(r.sb.intake.storing) + len(r.sb.intake.receiving); n != 0 {
		t.Errorf("%d have not left", n)
	}
}

func (l *line) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}
