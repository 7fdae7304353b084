package sandbox

import (
	"database/sql"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"roundhouse/sandbox/payload"
)

// ingestRoutes are where SDKs send to.
func (s *Sandbox) ingestRoutes(mux *http.ServeMux) {
	for what, parse := range map[string]func([]byte) (*payload.Envelope, error){"envelope": payload.ParseEnvelope, "store": parseStore} {
		h := s.receive(parse)
		for _, end := range []string{"", "/{$}"} {
			mux.HandleFunc("POST /api/{project}/"+what+end, h)
			mux.HandleFunc("OPTIONS /api/{project}/"+what+end, preflight)
		}
	}
	s.otlpRoutes(mux)
	s.cronRoutes(mux)
}

func allowAnyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Headers",
		"x-sentry-auth, x-requested-with, origin, accept, content-type, authentication, authorization, content-encoding")
	h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
	h.Set("Access-Control-Expose-Headers", "x-sentry-error, x-sentry-rate-limits, retry-after")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func preflight(w http.ResponseWriter, _ *http.Request) { allowAnyOrigin(w.Header()) }

// parseStore reads the older endpoint's body, one JSON event, as an envelope.
func parseStore(raw []byte) (*payload.Envelope, error) {
	ev, err := payload.ParseObject(raw)
	if err != nil {
		return nil, err
	}
	env := &payload.Envelope{Items: []payload.Item{{Kind: "event", Payload: raw}}}
	if payload.Text(ev["type"]) == "transaction" {
		env.Items[0].Kind = "transaction"
	}
	return env, nil
}

func (s *Sandbox) receive(parse func([]byte) (*payload.Envelope, error)) http.HandlerFunc {
	return s.answerSender(http.StatusOK, func(w http.ResponseWriter, r *http.Request) (string, error) { return s.accept(w, r, parse) })
}

// answerSender answers with the id of what was accepted, or as SDKs expect
// errors to be told.
func (s *Sandbox) answerSender(good int, accept func(http.ResponseWriter, *http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		allowAnyOrigin(w.Header())
		id, err := accept(w, r)
		if err == nil {
			writeJSON(w, good, map[string]string{"id": id})
			return
		}
		s.refuseSender(w, r, err)
	}
}

func (s *Sandbox) refuseSender(w http.ResponseWriter, r *http.Request, err error) {
	status, body := s.explain(r, err)
	if detail, ok := body.(map[string]string); ok {
		w.Header().Set("X-Sentry-Error", strings.Map(oneLine, detail["detail"]))
	}
	writeJSON(w, status, body)
}

// oneLine keeps what a header can hold.
func oneLine(r rune) rune {
	if r < ' ' || r > '~' {
		return ' '
	}
	return r
}

func (s *Sandbox) accept(w http.ResponseWriter, r *http.Request, parse func([]byte) (*payload.Envelope, error)) (string, error) {
	given := sentKeys(r)
	var live liveKey
	if len(given) > 0 { // before the body is read, where that is possible
		var err error
		if live, err = s.authorizeKeys(r, given); err != nil {
			return "", err
		}
	} else { // whoever it is has none of the room for large bodies
		r.Body = http.MaxBytesReader(w, r.Body, smallBody)
	}
	raw, done, err := s.takeBody(w, r)
	var tooLarge *http.MaxBytesError
	if len(given) == 0 && errors.As(err, &tooLarge) {
		return "", refuse(http.StatusRequestEntityTooLarge, "a body of more than %d bytes needs the key as X-Sentry-Auth or ?sentry_key=", smallBody)
	}
	if err != nil {
		return "", err
	}
	defer done()
	env, err := parse(raw)
	var refused *apiError
	if errors.As(err, &refused) {
		return "", err
	}
	if err != nil {
		return "", badRequest("bad envelope: %v", err)
	}
	if key := keyOfDSN(env.DSN); key != "" || len(given) == 0 {
		if live, err = s.authorizeKeys(r, append(given, key)); err != nil {
			return "", err
		}
	}
	if err := s.limitErrors(w.Header(), append(given, keyOfDSN(env.DSN))[0], live.limit, env); err != nil {
		return "", err
	}
	if len(raw) > maxHeld { // what waits may point into it
		done = nil
	}
	id, err := s.ingestEnvelope(r.Context(), live.project, env, remoteIP(r), done)
	var bad *badPayload
	if errors.As(err, &bad) {
		return "", badRequest("bad envelope: %v", err)
	}
	return id, err
}

// sentKeys are the public keys that the headers and the query give.
func sentKeys(r *http.Request) []string {
	var keys []string
	for _, name := range []string{"X-Sentry-Auth", "Authorization"} {
		rest, ok := cutPrefixFold(r.Header.Get(name), "Sentry ")
		if !ok {
			continue
		}
		for field := range strings.SplitSeq(rest, ",") {
			if key, ok := strings.CutPrefix(strings.TrimSpace(field), "sentry_key="); ok {
				keys = append(keys, key)
			}
		}
	}
	if key := r.URL.Query().Get("sentry_key"); key != "" {
		keys = append(keys, key)
	}
	return keys
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func keyOfDSN(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || u.User == nil {
		return ""
	}
	return u.User.Username()
}

// authorizeKeys returns the key that the keys, which have to agree, are, if it
// is a live one of the project of the path.
func (s *Sandbox) authorizeKeys(r *http.Request, keys []string) (live liveKey, err error) {
	for _, key := range keys {
		if key != keys[0] {
			return live, refuse(http.StatusForbidden, "the keys in header, query and envelope differ")
		}
	}
	if keys[0] == "" {
		return live, refuse(http.StatusForbidden, "no key: send it as X-Sentry-Auth, as ?sentry_key= or as the envelope's dsn")
	}
	live, err = s.liveKey(r.Context(), dsnKey{keys[0], asID(r.PathValue("project"))})
	if errors.Is(err, sql.ErrNoRows) {
		return live, refuse(http.StatusForbidden, "the key is unknown or inactive, or belongs to another project")
	}
	return live, err
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
