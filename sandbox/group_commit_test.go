package sandbox

import (
	"errors"
	"fmt"
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
