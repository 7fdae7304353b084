package oauth

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

const (
	maxRegistration = 16 << 10
	maxRedirectURIs = 10
	maxClientName   = 120 // characters
)

// registration is the client metadata of RFC 7591 that we know; the rest is
// ignored, as its §2 asks.
type registration struct {
	RedirectURIs    []string `json:"redirect_uris"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	Name            string   `json:"client_name,omitempty"`
	ApplicationType string   `json:"application_type,omitempty"`
}

// registered is the answer of RFC 7591 §3.2.1: what we made of the metadata.
type registered struct {
	ID            string `json:"client_id"`
	IDIssued      int64  `json:"client_id_issued_at"`
	Secret        string `json:"client_secret,omitempty"`
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"` // 0 means never, so it cannot be a plain number
	registration
}

func (s *Server) serveRegister(w http.ResponseWriter, r *http.Request) {
	var asked registration
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRegistration)).Decode(&asked); err != nil {
		s.refuse(w, r, "", &Error{Code: codeInvalidClientMetadata, Description: "the body is not a JSON object of client metadata, or is too large"})
		return
	}
	metadata, err := asked.settle()
	if err != nil {
		s.refuse(w, r, "", err)
		return
	}
	if err := s.limit(r.Context(), s.limits.register); err != nil {
		s.refuse(w, r, "", err)
		return
	}
	answer, err := s.register(r, metadata)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}

func (s *Server) register(r *http.Request, metadata registration) (registered, error) {
	now := s.now()
	answer := registered{ID: newID(), IDIssued: now.Unix(), registration: metadata}
	client := Client{
		ID:           answer.ID,
		Name:         metadata.Name,
		RedirectURIs: metadata.RedirectURIs,
		AuthMethod:   metadata.AuthMethod,
		Created:      now,
		Expires:      now.Add(registrationLife),
	}
	if client.AuthMethod != authNone {
		answer.Secret, answer.SecretExpires = newSecret(clientSecretPrefix), new(int64)
		client.Secret = hashOf(answer.Secret)
	}
	if err := s.store.PutClient(r.Context(), client); err != nil {
		return registered{}, err
	}
	s.record(r.Context(), Event{Kind: EventRegistration, Client: client.ID, Detail: client.Name})
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "client registered",
		slog.String("client", client.ID), slog.String("name", client.Name), slog.String("auth_method", client.AuthMethod))
	return answer, nil
}

// settle checks what was asked for and returns what will be registered.
func (asked registration) settle() (registration, error) {
	if err := asked.checkRedirects(); err != nil {
		return registration{}, err
	}
	got := registration{
		RedirectURIs:    asked.RedirectURIs,
		AuthMethod:      asked.AuthMethod,
		GrantTypes:      []string{grantTypeCode, grantTypeRefresh},
		ResponseTypes:   []string{"code"},
		Name:            cleanName(asked.Name),
		ApplicationType: asked.ApplicationType,
	}
	if slices.Contains(asked.GrantTypes, grantTypeDevice) {
		got.GrantTypes = append(got.GrantTypes, grantTypeDevice)
	}
	if asked.onlyDevice() {
		got.GrantTypes, got.ResponseTypes, got.RedirectURIs = []string{grantTypeDevice, grantTypeRefresh}, []string{}, []string{}
	}
	if got.AuthMethod == "" {
		got.AuthMethod = authBasic // the default of RFC 7591 §2
	}
	switch {
	case !slices.Contains([]string{authNone, authBasic, authPost}, got.AuthMethod):
		return registration{}, badMetadata("token_endpoint_auth_method must be none, client_secret_basic or client_secret_post")
	case len(asked.GrantTypes) > 0 && !slices.Contains(asked.GrantTypes, grantTypeCode) && !asked.onlyDevice():
		return registration{}, badMetadata("grant_types must include authorization_code, or the device_code of RFC 8628")
	case !asked.onlyDevice() && len(asked.ResponseTypes) > 0 && !slices.Contains(asked.ResponseTypes, "code"):
		return registration{}, badMetadata("response_types must include code")
	case len([]rune(got.Name)) > maxClientName:
		return registration{}, badMetadata(fmt.Sprintf("client_name must have at most %d characters", maxClientName))
	case !slices.Contains([]string{"", "native", "web"}, got.ApplicationType):
		return registration{}, badMetadata("application_type must be native or web")
	}
	return got, nil
}

// onlyDevice reports whether a client has no browser to be sent back to.
func (asked registration) onlyDevice() bool {
	return slices.Contains(asked.GrantTypes, grantTypeDevice) && !slices.Contains(asked.GrantTypes, grantTypeCode)
}

func (asked registration) checkRedirects() error {
	if len(asked.RedirectURIs) == 0 && asked.onlyDevice() {
		return nil
	}
	if len(asked.RedirectURIs) == 0 || len(asked.RedirectURIs) > maxRedirectURIs {
		return &Error{Code: codeInvalidRedirectURI, Description: fmt.Sprintf("redirect_uris must hold 1 to %d URIs", maxRedirectURIs)}
	}
	for i, uri := range asked.RedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			return &Error{Code: codeInvalidRedirectURI, Description: fmt.Sprintf("redirect_uris[%d]: %v", i, err)}
		}
	}
	return nil
}

func badMetadata(description string) *Error {
	return &Error{Code: codeInvalidClientMetadata, Description: description}
}

// cleanName makes a name safe for the middle of a sentence: on the consent page
// it must not end the quotation that it stands in and go on in our name.
func cleanName(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Quotation_Mark, r) || r == '″' || r == '‶' {
			return '\''
		}
		return r
	}, printing(name)))
}

// printing drops what does not print, such as the marks that turn the direction
// of writing and would rearrange what stands around.
func printing(text string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}
