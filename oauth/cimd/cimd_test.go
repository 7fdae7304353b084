package cimd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	good       = "https://example.com/client.json"
	goodAnswer = `{"client_id":"` + good + `","client_name":"Editor","redirect_uris":["http://127.0.0.1/callback"]}`
)

var siteAddr = netip.MustParseAddr("93.184.215.14")

// site is the internet: one web site at siteAddr, and whatever a name resolves
// to.
type site struct {
	*Fetcher
	clock time.Time

	mu      sync.Mutex
	handle  http.HandlerFunc
	addrs   []netip.Addr
	lookups int
	dialed  []netip.AddrPort
	served  int
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{clock: time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC), addrs: []netip.Addr{siteAddr}, handle: answer(goodAnswer)}
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.served++
		handle := s.handle
		s.mu.Unlock()
		handle(w, r)
	}))
	web.Config.ErrorLog = nil
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate()) // which is example.com's, too
	s.Fetcher = NewFetcher(Config{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lookups++
			return s.addrs, nil
		},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			s.mu.Lock()
			s.dialed = append(s.dialed, to)
			s.mu.Unlock()
			if to.Addr() != siteAddr {
				return nil, errors.New("connection refused at secret-host")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", web.Listener.Addr().String())
		},
		Roots: roots,
		Now:   func() time.Time { return s.clock },
	})
	return s
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, body)
	}
}

func admitted() error { return nil }

// refused wants an error whose reason says want, and never what the network
// said.
func (s *site) refused(t *testing.T, what, id, want string) {
	t.Helper()
	_, err := s.Get(t.Context(), id, admitted)
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Reason, want) || strings.Contains(e.Reason, "secret-host") {
		t.Errorf("%s: error %v, want one about %q", what, err, want)
	}
}

func TestFetcher_Get(t *testing.T) {
	s := newSite(t)
	s.handle = func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com" || r.URL.Path != "/client.json" || r.Header.Get("Cookie") != "" || r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("request %s %s with %v", r.Host, r.URL, r.Header)
		}
		answer(goodAnswer)(w, r)
	}
	want := Document{ID: good, Name: "Editor", RedirectURIs: []string{"http://127.0.0.1/callback"}}
	for range 2 {
		doc, err := s.Get(t.Context(), good, admitted)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, doc); diff != "" {
			t.Fatalf("document (-want +got):\n%s", diff)
		}
		doc.RedirectURIs[0] = "https://evil.example/" // the caller's copy
	}
	if s.lookups != 1 || s.served != 1 || !cmp.Equal(s.dialed, []netip.AddrPort{netip.AddrPortFrom(siteAddr, 443)}, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })) {
		t.Errorf("%d lookups, dialed %v, served %d times", s.lookups, s.dialed, s.served)
	}
}

// Each is refused before anything is resolved.
func TestFetcher_Get_badURLs(t *testing.T) {
	s := newSite(t)
	for _, id := range []string{
		"http://example.com/c", "HTTPS://example.com/c", "ftp://example.com/c", "https:example.com/c", "https:///c", "https://",
		"https://example.com", "https://example.com/", "https://example.com?x", "https://example.com/c#f", "https://example.com/c#",
		"https://user@example.com/c", "https://user:password@example.com/c", "https://@example.com/c",
		"https://example.com:443/c", "https://example.com:8443/c", "https://example.com:/c", "https://example.com:22/c",
		"https://example.com/../c", "https://example.com/a/./c", "https://example.com/%2e%2e/c", "https://example.com/a/%2E/c", "https://example.com/..",
		"https://EXAMPLE.com/c", "https://example.com./c", "https://example..com/c", "https://.example.com/c", "https://exa_mple.com/c",
		"https://ex\u00e4mple.com/c", "https://example\u3002com/c", "https://\u24d4xample.com/c", "https://example.com%00.evil.example/c", "https://example.com%2f@evil.example/c",
		"https://example.com\\@evil.example/c", "https://example.com /c", "https://example.com/\tc", "https://example.com/c\r\nHost: evil.example",
		"https://localhost/c", "https://metadata/c", "https://[::1]/c", "https://[::ffff:127.0.0.1]/c", "https://[fd00:ec2::254]/c", "https://[fe80::1%25eth0]/c",
		"https://127.0.0.1/c", "https://93.184.215.14/c", "https://2130706433/c", "https://0x7f000001/c", "https://0x7f.1/c", "https://0177.0.0.1/c",
		"https://127.1/c", "https://127.0.1/c", "https://0/c", "https://169.254.169.254/latest/meta-data", "https://0xA9FEA9FE/c", "https://[::ffff:a9fe:a9fe]/c",
		"https://\uff11\uff12\uff17.0.0.1/c", "https://example.com/" + strings.Repeat("a", 600), "https://" + strings.Repeat("a.", 130) + "com/c",
	} {
		s.refused(t, id, id, "not the URL of a document")
	}
	if s.lookups != 0 || len(s.dialed) != 0 || len(s.cached) != 0 {
		t.Errorf("%d lookups, %d connections, %d entries in the cache, want none", s.lookups, len(s.dialed), len(s.cached))
	}
}

// inward are addresses that are not the internet's, in every family.
var inward = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.255.255.254",
	"168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
	"192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
	"240.0.0.1", "255.255.255.255",
	"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:93.184.215.14", "::ffff:0:127.0.0.1",
	"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::5db8:d70e", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
	"2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:5db8:d70e::1", "3fff::1", "4000::1",
	"5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "feff::1", "ff02::1", "ff0e::1",
}

func TestPublic(t *testing.T) {
	for _, text := range inward {
		if public(netip.MustParseAddr(text)) {
			t.Errorf("%s is taken for a public address", text)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is taken for a public one")
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "198.17.0.1", "223.255.255.254",
		"2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450:4001::1", "3ffe::1"} {
		if !public(netip.MustParseAddr(text)) {
			t.Errorf("%s is not taken for a public address", text)
		}
	}
}

// A name that resolves inward is not connected to: not alone, and not beside a
// public address.
func TestFetcher_Get_inward(t *testing.T) {
	for _, text := range inward {
		for _, addrs := range [][]netip.Addr{{netip.MustParseAddr(text)}, {siteAddr, netip.MustParseAddr(text)}, {netip.MustParseAddr(text), siteAddr}} {
			s := newSite(t)
			s.addrs = addrs
			s.refused(t, fmt.Sprint(addrs), good, "cannot be fetched")
			if len(s.dialed) != 0 {
				t.Errorf("%v: connected to %v", addrs, s.dialed)
			}
		}
	}
}

// A name server that answers differently the second time is not asked twice.
func TestFetcher_Get_rebinding(t *testing.T) {
	s := newSite(t)
	lookup := s.lookup
	s.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		addrs, err := lookup(ctx, host)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.addrs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		return addrs, err
	}
	if _, err := s.Get(t.Context(), good, admitted); err != nil {
		t.Fatal(err)
	}
	if s.lookups != 1 || len(s.dialed) != 1 || s.dialed[0].Addr() != siteAddr {
		t.Errorf("%d lookups, dialed %v, want the address that was checked", s.lookups, s.dialed)
	}
	s.clock = s.clock.Add(25 * time.Hour)
	s.refused(t, "after it was rebound", good, "cannot be fetched")
	if len(s.dialed) != 1 {
		t.Errorf("dialed %v", s.dialed)
	}
}

func TestFetcher_Get_triesTheNextAddress(t *testing.T) {
	s := newSite(t)
	s.addrs = []netip.Addr{netip.MustParseAddr("2606:4700::1"), siteAddr}
	if _, err := s.Get(t.Context(), good, admitted); err != nil {
		t.Error(err)
	}
	s = newSite(t)
	for i := range 100 {
		s.addrs = append([]netip.Addr{netip.AddrFrom4([4]byte{93, 184, 216, byte(i)})}, s.addrs...)
	}
	s.refused(t, "a hundred dead addresses", good, "cannot be fetched")
	if len(s.dialed) != maxTries {
		t.Errorf("%d connections, want %d", len(s.dialed), maxTries)
	}
}

func TestFetcher_Get_badAnswers(t *testing.T) {
	redirect := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://169.254.169.254/latest/meta-data", status)
		}
	}
	plain := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, body)
		}
	}
	padded := `{"client_id":"` + good + `","x":"` + strings.Repeat("x", maxDocument) + `"}`
	for reason, tt := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"moved":              {redirect(301), "301"},
		"found":              {redirect(302), "302"},
		"temporarily moved":  {redirect(307), "307"},
		"permanently moved":  {redirect(308), "308"},
		"moved to itself":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, good, http.StatusFound) }, "302"},
		"not found":          {http.NotFound, "404"},
		"created":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }, "201"},
		"HTML":               {plain("text/html", goodAnswer), "application/json"},
		"no type":            {plain("", goodAnswer), "application/json"},
		"JSON within a type": {plain("text/json", goodAnswer), "application/json"},
		"not JSON":           {answer("client"), "JSON object"},
		"an array":           {answer("[]"), "JSON object"},
		"null":               {answer("null"), "another client_id"},
		"a second value":     {answer(goodAnswer + "{}"), "JSON object"},
		"too large":          {answer(padded), "larger"},
		"another id":         {answer(strings.Replace(goodAnswer, "client.json", "other.json", 1)), "another client_id"},
		"an id in capitals":  {answer(strings.Replace(goodAnswer, good, "https://EXAMPLE.com/client.json", 1)), "another client_id"},
		"no id":              {answer(`{"redirect_uris":["https://example.com/cb"]}`), "another client_id"},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "900")
			answer(goodAnswer)(w, nil)
		}, "cannot be fetched"},
		"a large header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
			answer(goodAnswer)(w, nil)
		}, "cannot be fetched"},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be fetched"},
		"packed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answer("\x1f\x8b")(w, nil)
		}, "JSON object"},
	} {
		t.Run(reason, func(t *testing.T) {
			s := newSite(t)
			s.handle = tt.handle
			s.refused(t, reason, good, tt.want)
			if s.served != 1 || s.lookups != 1 {
				t.Errorf("%d lookups, served %d times, want one each", s.lookups, s.served)
			}
		})
	}
}

// A site that never ends its answer holds nobody up for long.
func TestFetcher_Get_slowBody(t *testing.T) {
	s := newSite(t)
	release := make(chan struct{})
	s.handle = func(w http.ResponseWriter, r *http.Request) {
		answer(`{"client_id":`)(w, r)
		w.(http.Flusher).Flush()
		<-release
	}
	defer close(release)
	s.patience = 50 * time.Millisecond
	begin := time.Now()
	s.refused(t, "a slow body", good, "cannot be fetched")
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("given up after %v, want about %v", took, s.patience)
	}
}

func TestFetcher_Get_wrongCertificate(t *testing.T) {
	s := newSite(t)
	s.refused(t, "another name's certificate", "https://example.net/client.json", "cannot be fetched")
	s.roots = nil
	s.refused(t, "an unknown authority's certificate", good, "cannot be fetched")
	if s.served != 0 {
		t.Error("a request was sent to a site that is not who it says")
	}
}

func TestFetcher_Get_caches(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                        time.Hour,
		"max-age=600":             10 * time.Minute,
		"public, Max-Age=\"600\"": 10 * time.Minute,
		"max-age=0":               time.Minute,
		"max-age=-1":              time.Minute,
		"max-age=x":               time.Minute,
		"max-age=999999":          24 * time.Hour,
		"max-age=99999999999999":  24 * time.Hour,
		"no-store":                time.Minute,
		"max-age=600, no-cache":   time.Minute,
	} {
		s := newSite(t)
		s.handle = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", header)
			answer(goodAnswer)(w, r)
		}
		for _, step := range []time.Duration{0, want - time.Second} {
			s.clock = s.clock.Add(step)
			if _, err := s.Get(t.Context(), good, admitted); err != nil || s.served != 1 {
				t.Errorf("%q, %v later: served %d times, %v, want once", header, step, s.served, err)
			}
		}
		s.clock = s.clock.Add(time.Second)
		if _, err := s.Get(t.Context(), good, admitted); err != nil || s.served != 2 {
			t.Errorf("%q, after %v: served %d times, %v, want twice", header, want, s.served, err)
		}
	}
}

func TestFetcher_Get_cachesFailures(t *testing.T) {
	s := newSite(t)
	s.handle = http.NotFound
	s.refused(t, "first", good, "404")
	s.refused(t, "second", good, "404")
	s.handle = answer(goodAnswer)
	s.clock = s.clock.Add(failureLife)
	if _, err := s.Get(t.Context(), good, admitted); err != nil || s.served != 2 {
		t.Errorf("a minute later: served %d times, %v", s.served, err)
	}
}

func TestFetcher_Get_cacheIsBounded(t *testing.T) {
	s := newSite(t)
	for i := range maxCached + 50 {
		s.remember(fmt.Sprint(i), entry{expires: s.clock.Add(time.Duration(i+1) * time.Minute)})
	}
	if _, _, ok := s.recall("0"); ok || len(s.cached) != maxCached {
		t.Errorf("%d entries, the oldest among them: %v", len(s.cached), ok)
	}
	if _, _, ok := s.recall(fmt.Sprint(maxCached + 49)); !ok {
		t.Error("the newest entry is lost")
	}
	s.clock = s.clock.Add(500 * time.Minute)
	s.remember("new", entry{expires: s.clock.Add(time.Minute)})
	if len(s.cached) > maxCached-400 {
		t.Errorf("%d entries: what had expired is still there", len(s.cached))
	}
}

// A hundred users of one client at once are one fetch; many clients at once are
// bounded.
func TestFetcher_Get_together(t *testing.T) {
	s := newSite(t)
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	s.handle = func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		answer(strings.Replace(goodAnswer, "/client.json", r.URL.Path, 1))(w, r)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := s.Get(context.Background(), good, admitted); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	for i := range maxFetches - 1 {
		wg.Go(func() {
			if _, err := s.Get(context.Background(), fmt.Sprint("https://example.com/", i), admitted); err != nil {
				t.Error(err)
			}
		})
		<-arrived
	}
	s.refused(t, "one fetch too many", "https://example.com/more", "too many")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, good, admitted); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
	close(release)
	wg.Wait()
	if s.served != maxFetches {
		t.Errorf("served %d times, want %d", s.served, maxFetches)
	}
	if _, err := s.Get(t.Context(), "https://example.com/more", admitted); err != nil {
		t.Errorf("once there is room: %v", err)
	}
}

func TestFetcher_Get_asksForAdmission(t *testing.T) {
	s := newSite(t)
	limit := errors.New("limit")
	refuse := func() error { return limit }
	if _, err := s.Get(t.Context(), good, refuse); !errors.Is(err, limit) || s.lookups != 0 {
		t.Errorf("not admitted: %v, %d lookups", err, s.lookups)
	}
	if _, err := s.Get(t.Context(), good, admitted); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), good, refuse); err != nil {
		t.Errorf("a cached document: %v: it costs nobody anything", err)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, id := range []string{good, "https://[::1]/c", "https://a.b:443/c", "https://a.b/%2e%2e", "https://a@b.c/d"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		u, err := checkURL(id)
		if err != nil {
			return
		}
		if _, err := netip.ParseAddr(u.Host); err == nil || u.User != nil || u.Fragment != "" || u.Port() != "" || u.Scheme != "https" || u.String() != id {
			t.Errorf("%q is accepted", id)
		}
		if strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") || strings.ContainsAny(id, "\\ \t\r\n@#") && strings.ContainsAny(u.Host, "\\ \t\r\n@#") {
			t.Errorf("%q is accepted", id)
		}
	})
}
