package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The account page is where a user sees what they have allowed, and ends it. It
// is beside the paths of the protocol: people type its address.
const (
	accountPath  = "/account"
	signInPath   = "/account/sign-in"
	signOutPath  = "/account/sign-out"
	endPath      = "/account/revoke"
	personalPath = "/account/tokens"
)

const (
	accountLife    = time.Hour // of a session, however much it is used
	accountPageLen = 100       // grants on one page of everybody's
	maxAccountForm = 16 << 10
)

// session is a signed-in user with the secret of their cookie.
type session struct {
	Session
	secret string
}

// proof is the hidden field without which no form of the account page counts.
// It is made of the cookie's secret, which no other site can read (CSRF).
func (s session) proof() string {
	sum := hashOf("account form", s.secret)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sessionKey(secret string) Hash { return hashOf("session", secret) }

// session returns the live session of a request; else ErrNotFound.
func (s *Server) session(r *http.Request) (session, error) {
	cookie, err := r.Cookie(s.cookie.name + "-account")
	if err != nil || len(cookie.Value) != secretLength {
		return session{}, ErrNotFound
	}
	kept, err := s.store.Session(r.Context(), sessionKey(cookie.Value))
	if err != nil {
		return session{}, err
	}
	if !s.now().Before(kept.Expires) {
		return session{}, ErrNotFound
	}
	return session{kept, cookie.Value}, nil
}

// setSession gives the browser the secret of a session; an empty one takes it
// away.
func (s *Server) setSession(w http.ResponseWriter, secret string) {
	cookie := &http.Cookie{
		Name: s.cookie.name + "-account", Value: secret, Path: "/", Secure: s.cookie.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if secret == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// withSession lets a form of the account page through to handle: from a
// signed-in user, and from our own page.
func (s *Server) withSession(handle func(http.ResponseWriter, *http.Request, session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxAccountForm)
		who, err := s.session(r)
		switch {
		case errors.Is(err, ErrNotFound):
			s.errorPage(w, http.StatusForbidden, "You are signed out", "Nothing was changed. Open "+accountPath+" to sign in again.")
			return
		case err != nil:
			s.accountFailure(w, r, err)
			return
		}
		if err := r.ParseForm(); err != nil || !hashOf(r.PostForm.Get("proof")).equal(hashOf(who.proof())) {
			s.recordNoise(r.Context(), Event{Kind: EventRefusal, Outcome: codeAccessDenied, User: who.User, Detail: r.URL.Path + ": a form that is not this session's"})
			s.errorPage(w, http.StatusForbidden, "This form is not from your account page, or is out of date",
				"Nothing was changed. Open "+accountPath+" and try again.")
			return
		}
		handle(w, r, who)
	}
}

func (s *Server) accountFailure(w http.ResponseWriter, r *http.Request, err error) {
	s.logFailure(r, err)
	s.errorPage(w, http.StatusInternalServerError, "Something failed here", "Open "+accountPath+" again in a minute.")
}

// serveSignIn sends the browser upstream, only to learn who is there. No client
// gets anything by it. The state is bound to this browser, so nobody can sign
// somebody else in as themselves.
func (s *Server) serveSignIn(w http.ResponseWriter, r *http.Request) {
	if s.limited(w, r, s.limits.approve) {
		return
	}
	if err := s.goUpstream(w, r, authorization{For: forAccount, Login: newSecret("")}); err != nil {
		s.accountFailure(w, r, err)
	}
}

// finishSignIn begins a session, always a new one with a secret of its own: one
// that somebody planted before means nothing (session fixation). The upstream
// token has served its purpose and is given back.
func (s *Server) finishSignIn(w http.ResponseWriter, r *http.Request, pending authorization, q url.Values) {
	came, err := s.arrive(r.Context(), pending, q)
	if err != nil {
		s.refused(r, "", err)
		s.accountRefusal(w, err)
		return
	}
	defer s.forget(came.user.ID, "", came.credential)
	secret, now := newSecret(""), s.now()
	next := Session{
		Key: sessionKey(secret), User: came.user.ID, UserName: came.user.label(), Admin: s.isAdmin(r.Context(), came),
		Created: now, Expires: now.Add(accountLife),
	}
	if old, err := s.session(r); err == nil {
		if err := s.store.EndSession(r.Context(), old.Key); err != nil {
			s.accountFailure(w, r, err)
			return
		}
	}
	if err := s.store.PutSession(r.Context(), next); err != nil {
		s.accountFailure(w, r, err)
		return
	}
	detail := "as a user"
	if next.Admin {
		detail = "as an administrator"
	}
	s.record(r.Context(), Event{Kind: EventSignIn, User: next.User, Detail: detail})
	s.setSession(w, secret)
	s.toAccount(w, r, url.Values{})
}

func (s *Server) isAdmin(ctx context.Context, came arrival) bool {
	if s.admin == nil {
		return false
	}
	admin, err := s.admin(ctx, came.user, came.AccessToken)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "administrator not looked up", slog.Any("error", err))
	}
	return admin && err == nil
}

// accountRefusal says why a way through the upstream led nowhere.
func (s *Server) accountRefusal(w http.ResponseWriter, err error) {
	advice := "Nothing was changed. Open " + accountPath + " to try again."
	var known *Error
	if errors.As(err, &known) {
		s.errorPage(w, http.StatusBadRequest, "That did not work: "+known.Description, advice)
		return
	}
	s.errorPage(w, http.StatusInternalServerError, "Something failed here", advice)
}

// toAccount leads back to the page that a form was on.
func (s *Server) toAccount(w http.ResponseWriter, r *http.Request, form url.Values) {
	q := url.Values{}
	for _, name := range []string{"everyone", "user"} {
		if v := form.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	target := accountPath
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

func (s *Server) serveSignOut(w http.ResponseWriter, r *http.Request, who session) {
	if err := s.store.EndSession(r.Context(), who.Key); err != nil {
		s.accountFailure(w, r, err)
		return
	}
	s.setSession(w, "")
	s.toAccount(w, r, url.Values{})
}

// serveEnd revokes one grant, or all of a user's. Somebody else's grant is the
// same to a user as one that is not there.
func (s *Server) serveEnd(w http.ResponseWriter, r *http.Request, who session) {
	var err error
	if r.PostForm.Get("all") != "" {
		err = s.endAll(r.Context(), who, r.PostForm.Get("user"))
	} else {
		err = s.endOne(r.Context(), who, r.PostForm.Get("grant"))
	}
	switch {
	case errors.Is(err, ErrNotFound):
		s.errorPage(w, http.StatusNotFound, "There is nothing to revoke", "It may have ended by itself. Open "+accountPath+" to see what there is.")
	case err != nil:
		s.accountFailure(w, r, err)
	default:
		s.toAccount(w, r, r.PostForm)
	}
}

func (s *Server) endOne(ctx context.Context, who session, id string) error {
	grant, err := s.store.Grant(ctx, id)
	if err != nil {
		return err
	}
	if grant.User != who.User && !who.Admin {
		s.recordNoise(ctx, Event{Kind: EventRefusal, Outcome: codeAccessDenied, User: who.User, Detail: endPath + ": another user's grant"})
		return ErrNotFound
	}
	return s.endBy(ctx, who, grant)
}

func (s *Server) endAll(ctx context.Context, who session, user string) error {
	if user == "" {
		user = who.User
	}
	if user != who.User && !who.Admin {
		return ErrNotFound
	}
	for {
		grants, err := s.store.Grants(ctx, GrantQuery{User: user, Limit: accountPageLen})
		if err != nil || len(grants) == 0 {
			return err
		}
		for _, grant := range grants {
			if err := s.endBy(ctx, who, grant.StoredGrant); err != nil {
				return err
			}
		}
	}
}

func (s *Server) endBy(ctx context.Context, who session, grant StoredGrant) error {
	e := Event{Detail: "on the account page"}
	if grant.User != who.User {
		e.By, e.Detail = who.User, "by an administrator"
	}
	return s.end(ctx, grant, e)
}

// serveAccount shows the page: to a stranger, where to sign in.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) {
	who, err := s.session(r)
	if errors.Is(err, ErrNotFound) {
		s.page(w, http.StatusOK, "signin.html", s.signInPage())
		return
	}
	if err == nil {
		var p *accountPage
		if p, err = s.accountPage(r.Context(), who, r.URL.Query()); err == nil {
			s.page(w, http.StatusOK, "account.html", p)
			return
		}
	}
	s.accountFailure(w, r, err)
}

// listed reads the grants that a page shows: one's own, or for an administrator
// everybody's, a page at a time.
func (s *Server) listed(ctx context.Context, who session, q url.Values) (grants []ListedGrant, more bool, err error) {
	query := GrantQuery{User: who.User, Alive: s.now(), Limit: MaxGrantsPerUser + MaxPersonalTokens}
	if who.Admin && q.Get("everyone") != "" {
		query.User, query.Limit = q.Get("user"), accountPageLen+1
		if query.After, err = s.pageMark(ctx, q.Get("after")); err != nil {
			return nil, false, err
		}
	}
	grants, err = s.store.Grants(ctx, query)
	if more = err == nil && len(grants) > accountPageLen && query.Limit == accountPageLen+1; more {
		grants = grants[:accountPageLen]
	}
	return slices.Clip(grants), more, err
}
