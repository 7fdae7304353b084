package rival

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"roundhouse/constraint"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// front is the way to a server for those designs that have several: a token,
// looked up in a map, and a path.
type front struct {
	holders map[string]Holder
	serve   func(w http.ResponseWriter, r *http.Request, key constraint.Key) error // an error is from before the answer has begun
}

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	holder, ok := f.holders[token]
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "no such token", http.StatusUnauthorized)
		return
	}
	key, ok := keyOf(holder.User, r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Mcp-Method") == "subscriptions/listen" {
		http.Error(w, "there are no streams and no sessions here", http.StatusMethodNotAllowed)
		return
	}
	r = r.WithContext(holder.of(r.Context(), key))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := f.serve(w, r, key); err != nil {
		http.Error(w, err.Error(), statusOf(err))
	}
}

// keyOf reads /mcp, /mcp/{org} and /mcp/{org}/{project}.
func keyOf(user, path string) (constraint.Key, bool) {
	rest, ok := strings.CutPrefix(path, "/mcp")
	if !ok || rest != "" && rest[0] != '/' {
		return constraint.Key{}, false
	}
	return placeKey(user, strings.TrimPrefix(rest, "/"))
}

// placeKey reads "", "org" and "org/project".
func placeKey(user, place string) (constraint.Key, bool) {
	org, project, _ := strings.Cut(place, "/")
	key, err := constraint.New(user, org, project)
	return key, err == nil
}

func statusOf(err error) int {
	var moved *constraint.MovedError
	switch {
	case errors.Is(err, constraint.ErrUnknown), errors.As(err, &moved):
		return http.StatusNotFound
	case errors.Is(err, constraint.ErrUnauthorized):
		return http.StatusUnauthorized
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
