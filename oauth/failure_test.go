package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

// brokenStore fails where it is told to.
type brokenStore struct {
	oauth.Store
	broken string
}

var errBroken = errors.New("disk on fire at /var/lib")

func (s *brokenStore) fail(method string) error {
	if s.broken == method {
		return errBroken
	}
	return nil
}

func (s *brokenStore) PutClient(ctx context.Context, c oauth.Client) error {
	return errors.Join(s.fail("PutClient"), s.Store.PutClient(ctx, c))
}

func (s *brokenStore) Client(ctx context.Context, id string) (oauth.Client, error) {
	c, err := s.Store.Client(ctx, id)
	return c, errors.Join(s.fail("Client"), err)
}

func (s *brokenStore) PutTicket(ctx context.Context, t oauth.Ticket) error {
	return errors.Join(s.fail("PutTicket"), s.Store.PutTicket(ctx, t))
}

func (s *brokenStore) TakeTicket(ctx context.Context, key oauth.Hash, now time.Time) (oauth.Ticket, error) {
	if err := s.fail("TakeTicket"); err != nil {
		return oauth.Ticket{}, err
	}
	return s.Store.TakeTicket(ctx, key, now)
}

func (s *brokenStore) PutGrant(ctx context.Context, g oauth.StoredGrant) ([]oauth.StoredGrant, error) {
	gaveWay, err := s.Store.PutGrant(ctx, g)
	return gaveWay, errors.Join(s.fail("PutGrant"), err)
}

func (s *brokenStore) Grant(ctx context.Context, id string) (oauth.StoredGrant, error) {
	g, err := s.Store.Grant(ctx, id)
	return g, errors.Join(s.fail("Grant"), err)
}

func (s *brokenStore) RecentGrant(ctx context.Context, id string) (oauth.StoredGrant, error) {
	g, err := s.Store.RecentGrant(ctx, id)
	return g, errors.Join(s.fail("Grant"), err)
}

func (s *brokenStore) Issue(ctx context.Context, i oauth.Issuance) error {
	return errors.Join(s.fail("Issue"), s.Store.Issue(ctx, i))
}

func (s *brokenStore) Token(ctx context.Context, access oauth.Hash) (oauth.AccessToken, oauth.StoredGrant, error) {
	a, g, err := s.Store.Token(ctx, access)
	return a, g, errors.Join(s.fail("Token"), err)
}

func (s *brokenStore) Revoke(ctx context.Context, grant string) error {
	return errors.Join(s.fail("Revoke"), s.Store.Revoke(ctx, grant))
}

func newBrokenWorld(t *testing.T) (*world, *brokenStore) {
	w := newWorld(t)
	store := &brokenStore{Store: w.Store}
	w.Server = w.NewServer(store)
	w.web.Config.Handler = w.Server
	return w, store
}

func TestServer_brokenStore_token(t *testing.T) {
	w, store := newBrokenWorld(t)
	for _, method := range []string{"Client", "TakeTicket", "Grant", "Issue"} {
		form := w.CodeForm(w.Code(w.Request(), "inspect"))
		store.broken = method
		status, tk := w.Token(form, nil)
		store.broken = ""
		if status != http.StatusInternalServerError || tk.Error != "server_error" || strings.Contains(tk.Description, "disk") {
			t.Errorf("%s broken: status %d, %s: %s", method, status, tk.Error, tk.Description)
		}
	}
	tk := w.SignIn("inspect")
	store.broken = "Token"
	if _, err := w.Server.Verify(t.Context(), tk.Access); err == nil || errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("Verify = %v: a broken store must not sign people out", err)
	}
	if !strings.Contains(w.log.String(), "disk on fire") {
		t.Errorf("the log does not say what happened:\n%s", w.log)
	}
}

// A family that should be revoked and cannot be must not be answered as if it
// had been.
func TestServer_brokenStore_revoke(t *testing.T) {
	w, store := newBrokenWorld(t)
	code := w.Code(w.Request(), "inspect")
	w.Exchange(w.CodeForm(code))
	store.broken = "Revoke"
	w.Refused("replay", w.CodeForm(code), "server_error")
}

func TestServer_brokenStore_browser(t *testing.T) {
	w, store := newBrokenWorld(t)
	store.broken = "Client"
	if resp, page := w.Open(w.Request()); resp.StatusCode != http.StatusInternalServerError || strings.Contains(page, "disk") {
		t.Errorf("client not readable: status %d", resp.StatusCode)
	}
	for method, want := range map[string]string{"PutTicket": "server_error", "PutClient": "server_error", "PutGrant": "server_error"} {
		store.broken = ""
		_, page := w.Open(w.Request())
		store.broken = method
		resp, _ := w.Answer(page, "approve", "inspect")
		redirectedError(t, w, resp, clientState, want)
	}

	store.broken = ""
	callback := stopBeforeCallback(w)
	store.broken = "TakeTicket"
	resp, err := w.Browser.Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	if page := readAll(t, resp); resp.StatusCode != http.StatusInternalServerError || strings.Contains(page, "disk") {
		t.Errorf("ticket not readable: status %d", resp.StatusCode)
	}
	store.broken = "PutClient"
	if status, _, body := w.post("/oauth/register", "application/json", nativeRegistration, nil); status != http.StatusInternalServerError || strings.Contains(body, "disk") {
		t.Errorf("client not kept: status %d: %s", status, body)
	}
}

func TestServer_callback_unidentifiedUser(t *testing.T) {
	w := newWorld(t)
	for reason, identify := range map[string]func(context.Context, string) (oauth.User, error){
		"an error": func(context.Context, string) (oauth.User, error) { return oauth.User{}, errBroken },
		"no id":    func(context.Context, string) (oauth.User, error) { return oauth.User{Name: "Ann"}, nil },
		"a long id": func(context.Context, string) (oauth.User, error) {
			return oauth.User{ID: strings.Repeat("1", 129)}, nil
		},
	} {
		t.Run(reason, func(t *testing.T) {
			cfg := w.Config(w.Store)
			cfg.Identify = identify
			s, err := oauth.NewServer(cfg)
			if err != nil {
				t.Fatal(err)
			}
			w.web.Config.Handler = s
			_, page := w.Open(w.Request())
			resp, _ := w.Answer(page, "approve", "inspect")
			redirectedError(t, w, resp, clientState, "temporarily_unavailable")
		})
	}
}
