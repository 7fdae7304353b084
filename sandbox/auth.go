package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

// allScopes are the scopes that a token may have.
var allScopes = []string{
	"org:read", "org:write", "org:admin", "org:ci", "org:integrations",
	"project:read", "project:write", "project:admin", "project:releases", "project:distribution",
	"team:read", "team:write", "team:admin",
	"member:read", "member:write", "member:admin", "member:invite",
	"event:read", "event:write", "event:admin",
	"alerts:read", "alerts:write",
	"openid", "profile", "email",
}

// scopeSet is what a token may do.
type scopeSet []string

// parseScopes accepts known scopes only; the result is sorted, without repeats.
func parseScopes(names []string) (scopeSet, error) {
	out := slices.Clone(names)
	for _, name := range out {
		if !slices.Contains(allScopes, name) {
			return nil, fmt.Errorf("unknown scope %q", payload.Clip(name, 50))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// CheckScopes refuses the scopes that CreateToken would, and names those there
// are.
func CheckScopes(names []string) error {
	if _, err := parseScopes(names); err != nil {
		return fmt.Errorf("%w; there are %s", err, strings.Join(allScopes, ", "))
	}
	return nil
}

func (s scopeSet) String() string { return strings.Join(s, " ") }

// has reports whether the set grants want, or one of several with a | between
// them: write implies read, and admin both.
func (s scopeSet) has(want string) bool {
	if one, others, several := strings.Cut(want, "|"); several {
		return s.has(one) || s.has(others)
	}
	resource, level, _ := strings.Cut(want, ":")
	stronger := map[string][]string{"read": {"write", "admin"}, "write": {"admin"}}[level]
	if slices.Contains(s, want) {
		return true
	}
	return slices.ContainsFunc(stronger, func(l string) bool { return slices.Contains(s, resource+":"+l) })
}

// User is somebody who can sign in.
type User struct {
	ID                    int64
	Email, Name, Username string
}

// Users lists everybody who can sign in, oldest first.
func (s *Sandbox) Users(ctx context.Context) ([]User, error) {
	users, err := collect(ctx, s.read(), scanUser, "SELECT "+userColumns+" FROM user ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

const userColumns = "id, email, name, username"

func (u *User) fields() []any { return []any{&u.ID, &u.Email, &u.Name, &u.Username} }

func scanUser(rows *sql.Rows) (u User, err error) { return u, rows.Scan(u.fields()...) }

func (s *Sandbox) userByEmail(ctx context.Context, email string) (u User, err error) {
	row := s.read().QueryRowContext(ctx, "SELECT "+userColumns+" FROM user WHERE email = ? COLLATE NOCASE", email)
	err = row.Scan(u.fields()...)
	if !errors.Is(err, sql.ErrNoRows) {
		return u, err
	}
	users, err := s.Users(ctx)
	if err != nil {
		return u, err
	}
	return u, unknownUser(email, users)
}

// unknownUser names some of those there are.
func unknownUser(email string, users []User) error {
	known := []string{}
	for _, u := range users[:min(len(users), 10)] {
		known = append(known, u.Email)
	}
	if more := len(users) - len(known); more > 0 {
		known = append(known, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("there is no user %q; there are %s", payload.Clip(email, 100), strings.Join(known, ", "))
}

// CreateToken makes a user auth token that does not expire, as CreateTokenFor
// does with a life of 0.
func (s *Sandbox) CreateToken(ctx context.Context, userEmail string, scopes []string) (string, error) {
	return s.CreateTokenFor(ctx, userEmail, scopes, 0)
}

// CreateTokenFor makes a user auth token that is good for so long; with a life
// of 0 it does not expire. It is returned once; only its hash is kept.
func (s *Sandbox) CreateTokenFor(ctx context.Context, userEmail string, scopes []string, life time.Duration) (string, error) {
	set, err := parseScopes(scopes)
	if err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	if life < 0 {
		return "", fmt.Errorf("create token: a life of %v", life)
	}
	u, err := s.userByEmail(ctx, userEmail)
	if err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	token, now := "sntryu_"+randomHex(32), s.now()
	expires := sql.NullFloat64{Float64: seconds(now.Add(life)), Valid: life > 0}
	err = s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO token(hash, user, scopes, created, expires) VALUES (?, ?, ?, ?, ?)",
			hashSecret(token), u.ID, set.String(), seconds(now), expires)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	return token, nil
}

// authenticate finds out who the bearer of the token is.
func (r *request) authenticate() error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusUnauthorized, "Authentication credentials were not provided.")
	}
	var scopes string
	err := r.sb.read().QueryRowContext(r.Context(), `
		SELECT u.id, u.email, u.name, u.username, t.scopes FROM token t JOIN user u ON u.id = t.user
		WHERE t.hash = ? AND (t.expires IS NULL OR t.expires > ?)`,
		hashSecret(token), seconds(r.sb.now())).Scan(append(r.user.fields(), &scopes)...)
	if errors.Is(err, sql.ErrNoRows) {
		return refuse(http.StatusUnauthorized, "Invalid token")
	}
	r.scopes = strings.Fields(scopes)
	return err
}

// hashSecret is how every secret is stored. A plain hash does: they are all
// random and of 128 bits or more.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}
