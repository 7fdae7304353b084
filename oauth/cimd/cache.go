package cimd

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxCached  = 1000
	maxFetches = 32 // at a time

	leastLife   = time.Minute
	defaultLife = time.Hour
	longestLife = 24 * time.Hour
	failureLife = time.Minute
)

// Fetcher gets documents, and remembers them.
type Fetcher struct {
	lookup func(context.Context, string) ([]netip.Addr, error)
	dial   func(context.Context, netip.AddrPort) (net.Conn, error)
	roots  *x509.CertPool
	now    func() time.Time

	patience time.Duration // with one fetch

	flights singleflight.Group // by id
	fetches chan struct{}      // holds one for each fetch under way

	mu     sync.Mutex
	cached map[string]entry
}

type entry struct {
	doc     Document
	err     error
	expires time.Time
}

// NewFetcher returns a Fetcher with an empty cache.
func NewFetcher(cfg Config) *Fetcher {
	f := &Fetcher{
		lookup: cfg.Lookup, dial: cfg.Dial, roots: cfg.Roots, now: cfg.Now,
		patience: fetchTime,
		fetches:  make(chan struct{}, maxFetches), cached: make(map[string]entry),
	}
	if f.lookup == nil {
		f.lookup = systemLookup
	}
	if f.dial == nil {
		f.dial = systemDial
	}
	if f.now == nil {
		f.now = time.Now
	}
	return f
}

// Get returns the document at id. If it is not cached, admit is asked first,
// and its error returned. Any other error is an *Error, or ctx's.
func (f *Fetcher) Get(ctx context.Context, id string, admit func() error) (Document, error) {
	u, err := checkURL(id)
	if err != nil {
		return Document{}, wrong("its id is not the URL of a document: " + err.Error())
	}
	if doc, err, ok := f.recall(id); ok {
		return doc, err
	}
	if err := admit(); err != nil {
		return Document{}, err
	}
	// The fetch outlives the caller that began it: others wait for it.
	shared := f.flights.DoChan(id, func() (any, error) {
		doc, err, ok := f.recall(id) // another flight may have landed just now
		if !ok {
			doc, err = f.fetchOne(context.WithoutCancel(ctx), u)
		}
		return doc, err
	})
	select {
	case <-ctx.Done():
		return Document{}, ctx.Err()
	case result := <-shared:
		return result.Val.(Document).clone(), result.Err
	}
}

func (f *Fetcher) fetchOne(ctx context.Context, u *url.URL) (Document, error) {
	select {
	case f.fetches <- struct{}{}:
		defer func() { <-f.fetches }()
	default:
		return Document{}, wrong("too many documents are being fetched; try again in a minute") // not remembered
	}
	doc, life, err := f.fetch(ctx, u)
	if err != nil {
		life = failureLife
	}
	f.remember(u.String(), entry{doc: doc, err: err, expires: f.now().Add(life)})
	return doc, err
}

func (f *Fetcher) recall(id string) (Document, error, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.cached[id]
	if !ok || !f.now().Before(e.expires) {
		return Document{}, nil, false
	}
	return e.doc.clone(), e.err, true
}

// remember makes room by forgetting what has expired, or else what would first.
func (f *Fetcher) remember(id string, e entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.cached) >= maxCached {
		var first string
		for id, e := range f.cached {
			if !f.now().Before(e.expires) {
				delete(f.cached, id)
			} else if first == "" || e.expires.Before(f.cached[first].expires) {
				first = id
			}
		}
		if len(f.cached) >= maxCached {
			delete(f.cached, first)
		}
	}
	f.cached[id] = e
}

func (d Document) clone() Document {
	d.RedirectURIs = append([]string(nil), d.RedirectURIs...)
	return d
}

// lifetime honors Cache-Control within limits: a document that must not be
// cached is kept for a minute, or one page after the other would fetch it.
func lifetime(h http.Header) time.Duration {
	life := defaultLife
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		directive = strings.TrimSpace(directive)
		if directive == "no-store" || directive == "no-cache" {
			return leastLife
		}
		if age, ok := strings.CutPrefix(directive, "max-age="); ok {
			seconds, _ := strconv.ParseInt(strings.Trim(age, `"`), 10, 32) // too many are as many as there can be
			life = min(max(time.Duration(seconds)*time.Second, leastLife), longestLife)
		}
	}
	return life
}
