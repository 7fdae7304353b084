package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// bare takes off the URL, which can hold a code.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// withoutBody is an error of the token endpoint by its code alone: what x/oauth2
// says can hold the whole answer.
func withoutBody(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return bare(err)
	}
	return &refusal{status: refused.Response.StatusCode, code: short(refused.ErrorCode)}
}

// refusal is an error of the token endpoint (RFC 6749 §5.2).
type refusal struct {
	status int
	code   string
}

func (r *refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answers %d %s", r.status, r.code))
}

// short is what an error shows of what a server said.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 200)]
}
