package sandbox

import (
	"bytes"
	"database/sql"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

// TestKill_NewerFile: what a newer release left behind when it was killed is
// refused, and nothing of it is moved, the write-ahead log included.
func TestKill_NewerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	p := startProcess(t, path)
	if got, _ := p.sendUntilKilled(0, 2, 20); len(got) < 20 {
		t.Fatalf("%d acknowledged", len(got))
	}
	setVersion(t, path)
	before, log := readFile(t, path), readFile(t, path+"-wal")
	if len(log) == 0 {
		t.Fatal("nothing is in the log")
	}
	sb, err := New(t.Context(), Options{Path: path})
	if err == nil {
		sb.Close()
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), "newer release") {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(before, readFile(t, path)) || !bytes.Equal(log, readFile(t, path+"-wal")) {
		t.Error("the file or its log was changed")
	}
}

// setVersion raises the schema of a file in its log, as a release of tomorrow
// that is killed would leave it.
func setVersion(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	// Closing would empty the log; the copies stay.
	for _, end := range []string{"", "-wal"} {
		writeFile(t, path+".copy"+end, readFile(t, path+end))
	}
	if err := errors.Join(conn.Close(), db.Close(), os.Rename(path+".copy", path), os.Rename(path+".copy-wal", path+"-wal")); err != nil {
		t.Fatal(err)
	}
}

// TestIngest_CannotStore: when nothing can be written, nothing is acknowledged,
// senders hear why, and it goes on when it can.
func TestIngest_CannotStore(t *testing.T) {
	r := start(t, Options{Path: filepath.Join(t.TempDir(), "sandbox.db"), Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "storefront")
	post := func(n int) *httptest.ResponseRecorder {
		return r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(sent(n, noon))))
	}
	for _, tt := range []struct{ broken, mend, detail string }{
		{"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 4294967294", "its disk is full"},
		{"PRAGMA query_only = 1", "PRAGMA query_only = 0", "cannot be written"},
	} {
		items := r.rows("item")
		if _, err := r.sb.writer.Exec(tt.broken); err != nil {
			t.Fatal(err)
		}
		accepted, n := 0, 0
		for ; n < 60; n++ { // a full file has room in its last pages
			w := post(n + 100*items)
			if w.Code == http.StatusOK {
				accepted += [3]int{1, 12, 10}[(n+100*items)%3]
			} else if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), tt.detail) {
				t.Fatalf("%s: %d %s", tt.broken, w.Code, w.Body)
			} else {
				break
			}
		}
		if n == 60 {
			t.Errorf("%s: all was acknowledged", tt.broken)
		}
		if got := r.rows("item") - items; got != accepted {
			t.Errorf("%s: %d rows are there, %d were acknowledged", tt.broken, got, accepted)
		}
		if _, err := r.sb.writer.Exec(tt.mend); err != nil {
			t.Fatal(err)
		}
		if w := post(9_999_999); w.Code != http.StatusOK {
			t.Errorf("after %s: %d %s", tt.broken, w.Code, w.Body)
		}
	}
}
