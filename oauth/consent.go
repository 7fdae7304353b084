package oauth

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// maxForm bounds the bodies of the consent form and of the token endpoint.
const maxForm = 16 << 10

// askConsent shows the consent page. It offers every skill, whatever the client
// asked for: clients copy their scope from the challenge, which names the
// default skills alone, and could never be allowed more. Nor does asking tick
// a box: most clients ask for all there is. The token's scope tells the client
// what it got (RFC 6749 §3.3).
//
// The page's hidden token names the pending authorization and works once, in
// this browser only; no other site can know it, so it is the form's CSRF token
// as well.
//
// The Origin header is no help here: under the page's own referrer policy,
// browsers send "null".
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request, pending authorization, problem string) error {
	token := newSecret("")
	browser := s.cookie.ensure(w, r)
	if err := s.putTicket(r.Context(), consentKey(token, browser), pending.Expires, pending); err != nil {
		return err
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusBadRequest
	}
	s.page(w, status, "consent.html", s.consentPage(pending, token, problem))
	return nil
}

// serveConsent takes the user's answer. Anything but an approval is a refusal.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, http.StatusBadRequest, "The form is malformed", "Start again from your app.")
		return
	}
	var pending authorization
	if err := s.takeTicket(r.Context(), consentKey(r.PostForm.Get("request"), s.cookie.read(r)), &pending); err != nil {
		s.ticketPage(w, r, err)
		return
	}
	if err := s.answerConsent(w, r, pending); err != nil {
		s.redirectError(w, r, pending.RedirectURI, pending.State, err)
	}
}

func (s *Server) answerConsent(w http.ResponseWriter, r *http.Request, pending authorization) error {
	if r.PostForm.Get("answer") != "approve" {
		return &Error{Code: codeAccessDenied, Description: "the user refused"}
	}
	chosen := s.skillsNamed(strings.Join(r.PostForm["skill"], " "))
	if len(chosen) == 0 {
		return s.askConsent(w, r, pending, "Choose at least one skill, or cancel.")
	}
	pending.Skills = skillIDs(chosen)
	return s.goUpstream(w, r, pending)
}

// goUpstream sends the browser to log in, and asks for no more than the chosen
// skills need. The state exists only from here on, after the consent: with one
// made earlier, a site could log a user in without any consent, since the
// upstream may remember its own (the confused deputy).
func (s *Server) goUpstream(w http.ResponseWriter, r *http.Request, pending authorization) error {
	state := newSecret("")
	pending.Verifier = oauth2.GenerateVerifier()
	expires := s.now().Add(loginLife)
	if err := s.putTicket(r.Context(), loginKey(state, s.cookie.read(r)), expires, pending); err != nil {
		return err
	}
	upstream := s.upstream
	upstream.Scopes = s.upstreamScopes(pending.Skills)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, upstream.AuthCodeURL(state, oauth2.S256ChallengeOption(pending.Verifier)), http.StatusSeeOther)
	return nil
}

// upstreamScopes returns the union of what the skills need.
func (s *Server) upstreamScopes(skills []string) []string {
	var scopes []string
	for _, skill := range s.skillsNamed(strings.Join(skills, " ")) {
		scopes = append(scopes, skill.Upstream...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// browserCookie ties what is pending to the browser that began it. Its value
// is random and means nothing else; it outlives one authorization so that two
// can run side by side.
type browserCookie struct {
	name   string
	secure bool
}

// newBrowserCookie uses the __Host- prefix where it can: no neighbor under the
// same domain can then plant a cookie of that name.
func newBrowserCookie(secure bool) browserCookie {
	if secure {
		return browserCookie{name: "__Host-roundhouse", secure: true}
	}
	return browserCookie{name: "roundhouse"}
}

// read returns the browser's mark. Without one it returns a fresh one, which
// matches nothing.
func (c browserCookie) read(r *http.Request) string {
	if cookie, err := r.Cookie(c.name); err == nil && len(cookie.Value) == secretLength {
		return cookie.Value
	}
	return newSecret("")
}

// ensure returns the browser's mark and makes sure that it will send it. Lax
// lets it come along when the upstream redirects back.
func (c browserCookie) ensure(w http.ResponseWriter, r *http.Request) string {
	mark := c.read(r)
	http.SetCookie(w, &http.Cookie{
		Name: c.name, Value: mark, Path: "/", Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return mark
}
