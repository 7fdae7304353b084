package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake answers tool calls after a delay, and notes who was asked in which order.
type fake struct {
	name   string
	delay  time.Duration
	result string
	wrong  bool // its answers have another's id
	status int  // 0: 200

	mu    *sync.Mutex // guards order
	order *[]string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var req struct{ ID json.RawMessage }
	if err := json.Unmarshal(body, &req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	*f.order = append(*f.order, f.name+r.URL.Path)
	f.mu.Unlock()
	select {
	case <-time.After(f.delay):
	case <-r.Context().Done():
	}
	if f.wrong {
		req.ID = json.RawMessage(`"another"`)
	}
	w.Header().Set("Content-Type", "application/json")
	if f.status != 0 {
		w.WriteHeader(f.status)
	}
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, req.ID, f.result)
}

type fakes struct {
	ours, theirs fake
	mu           sync.Mutex
	order        []string
}

func newFakes() *fakes {
	f := &fakes{}
	f.ours = fake{name: "ours", result: `{"content":[{"type":"text","text":"mine"}]}`, mu: &f.mu, order: &f.order}
	f.theirs = f.ours
	f.theirs.name = "theirs"
	return f
}

func (f *fakes) sides(t *testing.T) (ours, theirs Side) {
	t.Helper()
	side := func(h *fake) Side {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return Side{Name: h.name, URL: srv.URL + "/mcp", CPU: ProcessCPU(os.Getpid())}
	}
	return side(&f.ours), side(&f.theirs)
}

var short = Case{What: "fakes", Places: []string{"", "acme", "acme/web"}, Tool: "whoami", Contains: "mine", Callers: 2, Closed: 40 * time.Millisecond, Rounds: 4}

// TestRun lets a slow server take turns with a quick one.
func TestRun(t *testing.T) {
	f := newFakes()
	f.theirs.delay = 100 * time.Millisecond
	ours, theirs := f.sides(t)
	c := short
	c.Closed = 120 * time.Millisecond
	got, err := Run(t.Context(), ours, theirs, c, func(string) {}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if got.Ours != "ours" || got.Theirs != "theirs" || len(got.Rounds) != 4 {
		t.Fatalf("%+v", got)
	}
	for i, r := range got.Rounds {
		if r.Ours.Throughput < 2*r.Theirs.Throughput || r.Theirs.P50 < 0.1 || r.Ours.P50 >= r.Theirs.P50 || r.Ours.P99 < r.Ours.P50 || r.Ours.Bad+r.Theirs.Bad > 0 {
			t.Errorf("round %d: %+v", i+1, r)
		}
	}
}

// TestRun_TakesTurns looks at who was driven when: the warm-up, the first round
// half by half, then whole turns, each time beginning with the one who ended.
func TestRun_TakesTurns(t *testing.T) {
	f := newFakes()
	ours, theirs := f.sides(t)
	c := short
	c.Closed = 30 * time.Millisecond
	if _, err := Run(t.Context(), ours, theirs, c, func(string) {}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	var turns []string
	paths := map[string]bool{}
	for _, entry := range f.order {
		name, path, _ := strings.Cut(entry, "/")
		paths[path] = true
		if len(turns) == 0 || turns[len(turns)-1] != name {
			turns = append(turns, name)
		}
	}
	if got, want := strings.Join(turns, " "), "ours theirs ours theirs ours theirs ours theirs ours"; got != want {
		t.Errorf("turns: %s, want %s", got, want)
	}
	for _, path := range []string{"mcp", "mcp/acme", "mcp/acme/web"} {
		if !paths[path] {
			t.Errorf("/%s was never asked", path)
		}
	}
}

// TestRun_Wrong has one side answer what no server may.
func TestRun_Wrong(t *testing.T) {
	for why, tt := range map[string]struct {
		spoil func(*fake)
		wrong bool
		bad   bool
	}{
		"good":              {func(*fake) {}, false, false},
		"another's id":      {func(f *fake) { f.wrong = true }, true, true},
		"another's content": {func(f *fake) { f.result = `{"content":[{"type":"text","text":"yours"}]}` }, true, true},
		"a failed tool":     {func(f *fake) { f.result = `{"content":[],"isError":true}` }, false, true},
		"a refusal":         {func(f *fake) { f.status = http.StatusServiceUnavailable }, false, true},
	} {
		t.Run(why, func(t *testing.T) {
			f := newFakes()
			tt.spoil(&f.theirs)
			ours, theirs := f.sides(t)
			c := short
			c.Rounds, c.Closed = 1, 10*time.Millisecond
			var notes []string
			got, err := Run(t.Context(), ours, theirs, c, func(string) {}, func(line string) { notes = append(notes, line) })
			if errors.Is(err, ErrWrong) != tt.wrong || len(got.Rounds) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if tt.wrong && (!strings.Contains(err.Error(), `"name":"whoami"`) || !strings.Contains(err.Error(), `"content":`)) {
				t.Errorf("the exchange is not in %q", err)
			}
			if noted := len(notes) == 1 && strings.Contains(notes[0], "calls of theirs"); noted != tt.bad {
				t.Errorf("noted %q", notes)
			}
			if bad := got.Rounds[0].Theirs.Bad > 0; bad != tt.bad || got.Rounds[0].Ours.Bad > 0 {
				t.Errorf("%+v", got.Rounds[0])
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	for why, tt := range map[string]struct {
		text string
		want time.Duration
		ok   bool
	}{
		"plain":               {"7 (go) S 1 7 7 0 -1 4 100 0 0 0 250 50 0 0 20", 3 * time.Second, true},
		"a name with a trick": {"7 (a) R 1) S 1 7 7 0 -1 4 100 0 0 0 1 2 0 0 20", 30 * time.Millisecond, true},
		"cut off":             {"7 (go) S 1 7", 0, false},
		"no numbers":          {"7 (go) S 1 7 7 0 -1 4 100 0 0 0 x 50 0", 0, false},
		"empty":               {"", 0, false},
	} {
		if got, err := parseStat(tt.text); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v; want %v", why, got, err, tt.want)
		}
	}
}
