package oauth

import (
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxQuery = 8 << 10
	maxState = 2 << 10
)

// serveAuthorize begins an authorization (RFC 6749 §4.1.1). Until the client
// and its redirect URI are known to be good, an error is a page: a redirect
// would make us an open redirector.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	if s.limited(w, r, s.limits.authorize) {
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		s.errorPage(w, http.StatusRequestURITooLong, "The request is too long", "Start again from your app.")
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || repeated(q, "client_id", "redirect_uri") {
		s.errorPage(w, http.StatusBadRequest, "The request is malformed", "Start again from your app.")
		return
	}
	redirectURI := q.Get("redirect_uri")
	client, err := s.authorizing(r.Context(), q.Get("client_id"), redirectURI)
	if err != nil {
		s.clientPage(w, r, err)
		return
	}
	if !client.mayRedirect(redirectURI) {
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "redirect URI refused", slog.String("client", client.ID))
		s.recordNoise(r.Context(), Event{Kind: EventRefusal, Outcome: codeInvalidRedirectURI, Client: client.ID, Detail: authorizePath})
		s.errorPage(w, http.StatusBadRequest, "The app asked to be answered at an address that it did not register",
			"Nothing was sent there. If you trust the app, remove its stored registration and connect again.")
		return
	}
	pending, err := s.checkAuthorization(client, redirectURI, q)
	if err == nil {
		err = s.askConsent(w, r, pending, "")
	}
	if err != nil {
		s.refused(r, client.ID, err)
		s.errorUnasked(w, r, redirectURI, boundedState(q), err)
	}
}

// errorUnasked tells the client of an error before the user has answered
// anything. Anybody can register a client and have a link to us fail at once: a
// redirect would make us lend our name to wherever it leads (RFC 9700 §4.11.2),
// so the user is asked whether to go there. On this computer there is nothing
// to be lured to, and a program waits.
func (s *Server) errorUnasked(w http.ResponseWriter, r *http.Request, uri, state string, err error) {
	name, local := destination(uri)
	if local && strings.HasPrefix(uri, "http://") {
		s.redirectError(w, r, uri, state, err)
		return
	}
	e := s.asError(r, err)
	s.page(w, http.StatusBadRequest, "error.html", errorPage{
		Style: template.CSS(style), Happened: "The app asked for what cannot be given: " + e.Description,
		Advice: "It was not let in. Go back to it only if you know the address and trust it.",
		Next:   template.URL(s.clientURL(uri, state, errorParams(e))), // of a scheme that may be registered
		To:     name,
	})
}

func (s *Server) clientPage(w http.ResponseWriter, r *http.Request, err error) {
	var undescribed errUndescribed
	switch {
	case s.limitPage(w, err):
	case errors.As(err, &undescribed):
		s.errorPage(w, http.StatusBadRequest, "This app cannot be let in: "+undescribed.reason,
			"Nothing was sent to it. Try again in a minute, or tell whoever makes the app.")
	case errors.Is(err, errUnknownClient):
		s.errorPage(w, http.StatusBadRequest, "This app is not registered here",
			"Its registration may have expired. Remove the app's stored login for this server and connect again.")
	default:
		s.logFailure(r, err)
		s.errorPage(w, http.StatusInternalServerError, "Something failed here", "Try again in a minute.")
	}
}

// checkAuthorization checks the rest of the request, whose errors the client
// is told by redirect.
func (s *Server) checkAuthorization(client Client, redirectURI string, q url.Values) (authorization, error) {
	if repeated(q, "response_type", "state", "scope", "resource", "code_challenge", "code_challenge_method") {
		return authorization{}, invalidRequest("a parameter is repeated")
	}
	if len(q.Get("state")) > maxState {
		return authorization{}, invalidRequest("state is too long")
	}
	if q.Get("response_type") != "code" {
		return authorization{}, &Error{Code: codeUnsupportedResponseType, Description: "response_type must be code"}
	}
	if err := checkChallenge(q.Get("code_challenge"), q.Get("code_challenge_method")); err != nil {
		return authorization{}, err
	}
	resource, err := s.checkResource(q.Get("resource"))
	if err != nil {
		return authorization{}, err
	}
	return authorization{
		Client:      client,
		RedirectURI: redirectURI,
		State:       q.Get("state"),
		Challenge:   q.Get("code_challenge"),
		Resource:    resource,
		Asked:       skillIDs(s.skillsNamed(q.Get("scope"))),
		Login:       newSecret(""),
		Expires:     s.now().Add(consentLife),
	}, nil
}

// boundedState is what an error redirect repeats.
func boundedState(q url.Values) string {
	if state := q.Get("state"); len(state) <= maxState {
		return state
	}
	return ""
}

// repeated reports whether a parameter occurs twice, which RFC 6749 §3.1
// forbids: two readers of one request must not see different values.
func repeated(q url.Values, names ...string) bool {
	for _, name := range names {
		if len(q[name]) > 1 {
			return true
		}
	}
	return false
}
