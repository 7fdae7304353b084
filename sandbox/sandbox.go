package sandbox

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options configure a Sandbox. The zero value is a seeded one in memory.
type Options struct {
	Path    string           // database file; "" keeps it in memory
	BaseURL string           // where the handler is reachable, without a trailing slash; may have a sub-path
	Now     func() time.Time // nil: time.Now
	Empty   bool             // a new database gets users, organizations, projects and keys, and no telemetry; an older one keeps its own
	Scale   Scale            // what there is beside the story; zero: nothing
	Logger  *slog.Logger     // nil: nothing is logged
	Age     Age              // how old a Sentry to answer like
	Control bool             // programs on this machine may set faults, at /_sandbox/faults/ and without a token
}

// Sandbox is the backend. Its HTTP paths start at "/": whoever mounts it below
// a prefix strips that prefix.
type Sandbox struct {
	now      func() time.Time
	log      *slog.Logger
	readers  *sql.DB
	writer   *sql.DB
	rest     *http.ServeMux // below /api/0/
	root     *http.ServeMux // ingest, OAuth and pages
	intake   intake         // of what is sent
	keep     int            // items of each kind in each project
	keepSize int64          // bytes of them, likewise
	bulk     int64          // bytes that arrive before they are counted
	attached int64          // bytes of attachments in each project
	recorded int64          // bytes of recordings in each project
	age      Age
	control  bool
	faults   atomic.Pointer[faultPlan]
	base     atomic.Pointer[string]

	settled atomic.Int64 // Unix seconds when issues were last settled
	arrived arrivals     // since old items were last deleted

	spending spending // of keys with a rate limit
	guesses  spending // of addresses, at the codes of devices
	askers   spending // of addresses, for such codes
	known    knownKeys

	searchers *gates // by user; entered before searching
	searching gate

	writing    chan struct{} // full while there is a write transaction
	waiting    line          // of batches for the next one
	statements statements    // guarded by writing

	checkpoints checkpoints
}

// New opens the database, creates or migrates its tables, and seeds it when it
// is new. A seed that has grown old is told anew, so that what it calls
// yesterday is yesterday, unless anything was sent or changed since: then all
// stays as it is, and the log says so. A file that is damaged, newer than this
// program, or not a sandbox at all is refused and left as it is.
func New(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{now: o.Now, log: o.Logger, intake: newIntake(), searchers: newGates(maxOwn), searching: make(gate, maxSearches), writing: make(chan struct{}, 1), keep: keepCount, keepSize: keepBytes, bulk: retainBytes, attached: maxAttached, recorded: maxRecorded, age: o.Age, control: o.Control}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.BaseURL == "" {
		o.BaseURL = "http://127.0.0.1"
	}
	if err := s.SetBaseURL(o.BaseURL); err != nil {
		return nil, err
	}
	if err := o.Scale.check(); err != nil {
		return nil, err
	}
	if err := s.open(ctx, o); err != nil {
		return nil, err
	}
	s.rest, s.root = s.restRoutes(), s.rootRoutes()
	return s, nil
}

// SetBaseURL tells where the handler is reachable: a port may be chosen after
// New. Links, DSNs and the sign-in page follow it at once.
func (s *Sandbox) SetBaseURL(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("sandbox base URL %q is not an absolute http or https URL", base)
	}
	base = strings.TrimRight(base, "/")
	s.base.Store(&base)
	return nil
}

func (s *Sandbox) baseURL() string { return *s.base.Load() }

// basePath is the path of the base URL, "" when the sandbox is at the root.
func (s *Sandbox) basePath() string {
	u, err := url.Parse(s.baseURL())
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// ServeHTTP tells REST from the rest by hand: in one mux, a pattern that catches
// all of /api/0/ conflicts with /api/{project}/envelope/.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.serveControl(w, r) || s.misdirected(w, r) || s.fail(w, r) {
		return
	}
	switch {
	case strings.HasPrefix(r.URL.Path, apiRoot+"/"):
		serveAPI(s.rest, w, r)
	case isIngest(r):
		serveAPI(s.root, w, r)
	default:
		s.root.ServeHTTP(w, r)
	}
}

// Close closes the database. Requests still being served fail.
func (s *Sandbox) Close() error {
	if err := s.checkpoints.end(); err != nil {
		return fmt.Errorf("close sandbox database: %w", err)
	}
	rerr, werr := s.readers.Close(), s.writer.Close()
	if werr != nil {
		return fmt.Errorf("close sandbox database: %w", werr)
	}
	if rerr != nil {
		return fmt.Errorf("close sandbox database: %w", rerr)
	}
	return nil
}
