package oauth_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/oauth"
)

// countingStore notes what it is asked.
type countingStore struct {
	oauth.Store
	asked []string
}

func (s *countingStore) Client(ctx context.Context, id string) (oauth.Client, error) {
	s.asked = append(s.asked, "Client")
	return s.Store.Client(ctx, id)
}

func (s *countingStore) Grant(ctx context.Context, id string) (oauth.StoredGrant, error) {
	s.asked = append(s.asked, "Grant")
	return s.Store.Grant(ctx, id)
}

// Whoever guesses ids learns nothing: a client that does not exist is answered
// as one whose secret is wrong, word for word and by the same steps.
func TestServer_unknownClient(t *testing.T) {
	w := newWorld(t)
	confidential := w.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"client_secret_post"}`)
	public := w.ClientID
	tk := w.SignIn("inspect")
	store := &countingStore{Store: w.Store}
	w.web.Config.Handler = w.NewServer(store)

	type answer struct {
		Status int
		Header http.Header
		Body   string
		Asked  []string
	}
	ask := func(id, secret string) answer {
		store.asked = nil
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tk.Refresh}, "client_id": {id}, "client_secret": {secret}}
		status, header, body := w.post("/oauth/token", "application/x-www-form-urlencoded", form.Encode(), nil)
		header.Del("Date")
		return answer{status, header, body, store.asked}
	}
	want := ask(confidential.ID, "rh_cs_wrong")
	if want.Status != http.StatusUnauthorized {
		t.Fatalf("a wrong secret: %+v", want)
	}
	for what, got := range map[string]answer{
		"an unknown client with a secret":    ask("AAAAAAAAAAAAAAAAAAAAAA", "rh_cs_wrong"),
		"an unknown client without":          ask("AAAAAAAAAAAAAAAAAAAAAA", ""),
		"a confidential client without":      ask(confidential.ID, ""),
		"a public client that sends one":     ask(public, "rh_cs_wrong"),
		"an id that no database could store": ask("\x00\xff", "rh_cs_wrong"),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-wrong secret +this):\n%s", what, diff)
		}
	}
}
