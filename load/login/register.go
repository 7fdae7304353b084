package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/oauth2"
)

// registration is RFC 7591's, as it is asked for and answered.
type registration struct {
	ClientID     string   `json:"client_id,omitempty"`
	ClientSecret string   `json:"client_secret,omitempty"`
	Name         string   `json:"client_name"`
	Redirects    []string `json:"redirect_uris"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
	GrantTypes   []string `json:"grant_types"`
	Responses    []string `json:"response_types"`
	Application  string   `json:"application_type"`
}

// register makes a public client: it has nowhere to keep a secret.
func (s *server) register(ctx context.Context, client *http.Client, cfg Config) (got registration, err error) {
	if s.RegistrationEndpoint == "" {
		return got, fmt.Errorf("%s registers nobody: give a client id, or use a token file", s.Issuer)
	}
	body, err := json.Marshal(registration{
		Name: cfg.ClientName, Redirects: []string{cfg.Redirect}, AuthMethod: "none", Application: "native",
		GrantTypes: []string{"authorization_code", "refresh_token"}, Responses: []string{"code"},
	})
	if err != nil {
		return got, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.RegistrationEndpoint, bytes.NewReader(body))
	if err != nil {
		return got, err
	}
	r.Header.Set("Content-Type", "application/json")
	if err := fetch(client, r, http.StatusCreated, &got); err != nil {
		return got, fmt.Errorf("register: %w", bare(err))
	}
	if got.ClientID == "" {
		return got, errors.New("register: the answer has no client_id")
	}
	return got, nil
}

// style is how the client shows who it is.
func (r registration) style(s *server) oauth2.AuthStyle {
	basic := r.AuthMethod == "client_secret_basic" ||
		r.AuthMethod == "" && r.ClientSecret != "" && !slices.Contains(s.AuthMethods, "client_secret_post")
	if basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
