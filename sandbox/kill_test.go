package sandbox

import (
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
)

// sendUntilKilled posts numbered envelopes from several senders until the process is killed, which happens
// after some were acknowledged, and returns the numbers of these and the last one sent.
func (p *process) sendUntilKilled(first, senders, after int) (acknowledged []int, last int) {
	client := &http.Client{}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	next := first
	number := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	note := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if acknowledged = append(acknowledged, n); len(acknowledged) == after {
			p.cmd.Process.Kill() // while the others are at it
		}
	}
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for {
				n := number()
				if p.send(client, n) != nil {
					return
				}
				note(n)
			}
		})
	}
	all.Wait()
	p.cmd.Wait()
	return acknowledged, next - 1
}

// TestKill: what was acknowledged is found after SIGKILL, nothing is stored by
// half, and the file is never refused.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	random := rand.New(rand.NewPCG(1, 2))
	var acknowledged []int
	last := -1
	for range 5 {
		p := startProcess(t, path)
		got, to := p.sendUntilKilled(last+1, 6, 1+random.IntN(150))
		acknowledged, last = append(acknowledged, got...), to
	}
	r := start(t, Options{Path: path, Empty: true})
	whole := [3]int{1, 12, 10} // rows of an error, a transaction and logs
	rows := r.rowsByNumber()
	for _, n := range acknowledged {
		if rows[n] != whole[n%3] {
			t.Errorf("envelope %d was acknowledged; %d of its %d rows are there", n, rows[n], whole[n%3])
		}
	}
	for n, got := range rows {
		if n < 0 || n > last || got != whole[n%3] {
			t.Errorf("%d of %d rows of envelope %d are there", got, whole[n%3], n)
		}
	}
	var state string
	if err := r.sb.read().QueryRow("PRAGMA integrity_check").Scan(&state); err != nil || state != "ok" {
		t.Errorf("the file is %s, %v", state, err)
	}
	var counted, stored int
	if err := r.sb.read().QueryRow("SELECT (SELECT sum(count) FROM issue), (SELECT count(*) FROM item WHERE kind = 'error')").Scan(&counted, &stored); err != nil || counted != stored {
		t.Errorf("the issues count %d events, %d are there, %v", counted, stored, err)
	}
	t.Logf("%d envelopes acknowledged, %d stored", len(acknowledged), len(rows))
}

// rowsByNumber counts the rows of each numbered envelope.
func (r *runner) rowsByNumber() map[int]int {
	r.Helper()
	rows, err := r.sb.read().Query("SELECT kind, event_id, span_id, coalesce(attrs ->> '$.number', -1) FROM item")
	if err != nil {
		r.Fatal(err)
	}
	defer rows.Close()
	out := map[int]int{}
	for rows.Next() {
		var kind, event, span string
		var n int
		if err := rows.Scan(&kind, &event, &span, &n); err != nil {
			r.Fatal(err)
		}
		if kind != "log" {
			n = numberOf(event, span)
		}
		out[n]++
	}
	if err := rows.Err(); err != nil {
		r.Fatal(err)
	}
	return out
}
