package login

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// File is a file of tokens, a user on each line: either an access token as it
// is, or a JSON object.
//
//	rh_pat_…
//	{"token": "…"}
//	{"token": "…", "expires": "2026-11-22T20:00:00Z", "refresh_token": "…", "client_id": "…", "client_secret": "…", "issuer": "https://…"}
//
// Only token is required; what refresh_token is given with client_id is
// refreshed, and the line is written anew with what came of it, for a refresh
// token is good once. It is sent to the authorization server that the MCP server
// names if that is issuer, or on the MCP server's own host where no issuer is
// given: whoever has got hold of the one must not get what is for the other.
// Empty lines, and those that begin with #, mean nothing.
// A file that others may read is refused, and no error shows what is in it.
type File struct {
	path string

	saved []saved
	apps  map[[2]string]*App // by client id and secret

	mu    sync.Mutex // guards the rest
	lines [][]byte
}

// saved is a line that means something.
type saved struct {
	line int // from 0 on
	entry
}

// entry is a line in JSON.
type entry struct {
	Token        string     `json:"token"`
	Expires      *time.Time `json:"expires,omitempty"`
	RefreshToken string     `json:"refresh_token,omitempty"`
	ClientID     string     `json:"client_id,omitempty"`
	ClientSecret string     `json:"client_secret,omitempty"`
	Issuer       string     `json:"issuer,omitempty"` // of the refresh token; "": on the host of the MCP server
}

const (
	maxFile = 64 << 20
	maxLine = 64 << 10
)

// ReadFile reads a file of tokens.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s holds tokens, and others than its owner may read or write it: chmod 600 %[1]s", path)
	}
	return parseFile(path, f, info.Mode().IsRegular())
}

func parseFile(path string, r io.Reader, regular bool) (*File, error) {
	f := &File{path: path}
	lines := bufio.NewScanner(io.LimitReader(r, maxFile+1))
	lines.Buffer(nil, maxLine)
	size := 0
	for lines.Scan() {
		f.lines = append(f.lines, bytes.Clone(lines.Bytes()))
		size += len(lines.Bytes()) + 1
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: the line has more than %d bytes", path, len(f.lines)+1, maxLine)
	} else if err != nil {
		return nil, err
	}
	if size > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return f, f.parse(regular)
}

func (f *File) parse(regular bool) error {
	for i, line := range f.lines {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		e, problem := parseEntry(line)
		if problem == "" && e.RefreshToken != "" && !regular {
			problem = "a refresh token is good once: it must be in a file in which the next one can be kept"
		}
		if problem != "" {
			return fmt.Errorf("%s:%d: %s", f.path, i+1, problem)
		}
		f.saved = append(f.saved, saved{i, e})
	}
	if len(f.saved) == 0 {
		return fmt.Errorf("%s holds no token", f.path)
	}
	return nil
}

// parseEntry returns what is wrong in words that show nothing of the line.
func parseEntry(line []byte) (e entry, problem string) {
	if line[0] != '{' {
		e.Token = string(line)
	} else {
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if d.Decode(&e) != nil || d.More() {
			return e, "not a JSON object of token, expires, refresh_token, client_id, client_secret and issuer"
		}
	}
	unfit := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }
	switch {
	case e.Token == "":
		return e, "there is no token"
	case strings.ContainsFunc(e.Token, unfit):
		return e, "a token has neither spaces nor quotation marks: write it alone, without Bearer"
	case strings.ContainsFunc(e.RefreshToken+e.ClientID+e.ClientSecret, unfit):
		return e, "refresh_token, client_id and client_secret have neither spaces nor quotation marks"
	case (e.RefreshToken == "") != (e.ClientID == ""):
		return e, "refresh_token and client_id go together: one cannot be used without the other"
	}
	return e, ""
}

// Users is how many the file holds.
func (f *File) Users() int { return len(f.saved) }

// Logins returns one of each user, in the order of the lines. What can be
// refreshed makes it find the authorization server of cfg.URL. It is called
// once.
func (f *File) Logins(ctx context.Context, cfg Config) ([]Login, error) {
	f.apps = map[[2]string]*App{}
	var all []Login
	for _, s := range f.saved {
		if s.RefreshToken == "" {
			all = append(all, Token(s.Token))
			continue
		}
		client := [2]string{s.ClientID, s.ClientSecret}
		if f.apps[client] == nil {
			cfg.ClientID, cfg.ClientSecret = s.ClientID, s.ClientSecret
			app, err := NewApp(ctx, cfg)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", f.path, s.line+1, err)
			}
			f.apps[client] = app
		}
		if problem := s.refuses(f.apps[client].server, cfg.URL); problem != "" {
			return nil, fmt.Errorf("%s:%d: %s", f.path, s.line+1, problem)
		}
		all = append(all, f.login(f.apps[client], s))
	}
	return all, nil
}

// refuses tells why the refresh token is not for an authorization server; "" if
// it is.
func (e entry) refuses(s *server, mcp string) string {
	at, err := url.Parse(mcp)
	issuer, err2 := url.Parse(s.Issuer)
	switch {
	case e.Issuer == s.Issuer:
	case e.Issuer != "":
		return fmt.Sprintf("the MCP server names %s as its authorization server, which is not the issuer of this line", short(s.Issuer))
	case err != nil || err2 != nil || at.Host != issuer.Host:
		return fmt.Sprintf("the MCP server names %[1]s as its authorization server, on another host: if the refresh token is of there, say so with \"issuer\": %[1]q", short(s.Issuer))
	}
	return ""
}

// Counts adds up what the clients of the file have done.
func (f *File) Counts() (all Counts) {
	for _, app := range f.apps {
		c := app.Counts()
		all.Refreshes += c.Refreshes
		all.Failures += c.Failures
	}
	return all
}

// Close waits until what is under way has been kept. Nothing is revoked: the
// tokens are whoever's who wrote the file.
func (f *File) Close() {
	for _, app := range f.apps {
		app.Close()
	}
}

func (f *File) login(app *App, s saved) *Tokens {
	t := &Tokens{app: app, client: app.client(app.nextFrom())}
	got := &oauth2.Token{AccessToken: s.Token, RefreshToken: s.RefreshToken}
	if s.Expires != nil {
		got.Expiry = *s.Expires
	}
	t.take(got)
	if s.Expires == nil { // it may end any moment
		t.due = time.Now()
	}
	t.keep = func(got *oauth2.Token) error { return f.keep(s, got) }
	return t
}

// keep writes the file anew with new tokens on a line, so that it has either the
// old or the new ones whenever the machine stops. The other lines stay as they
// are now: each worker of a run keeps the tokens of its own users.
func (f *File) keep(s saved, got *oauth2.Token) error {
	e := s.entry
	e.Token, e.Expires = got.AccessToken, nil
	if got.RefreshToken != "" {
		e.RefreshToken = got.RefreshToken
	}
	if !got.Expiry.IsZero() {
		expires := got.Expiry.UTC().Truncate(time.Second)
		e.Expires = &expires
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path := f.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	unlock, err := lock(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := bytes.Split(now, []byte("\n"))
	at := slices.IndexFunc(lines, func(l []byte) bool { return bytes.Equal(bytes.TrimSuffix(l, []byte("\r")), f.lines[s.line]) })
	if at < 0 {
		return errors.New("its line has been changed by somebody else")
	}
	lines[at], f.lines[s.line] = line, line
	return replace(path, bytes.Join(lines, []byte("\n")))
}

func replace(path string, content []byte) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), ".tokens-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(next.Name())
		}
	}()
	if _, err = next.Write(content); err == nil {
		err = next.Sync()
	}
	if err := errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

// Token is a Login with one token that stays as it is.
type Token string

// Authorization is a Login's.
func (t Token) Authorization(context.Context) (string, error) { return "Bearer " + string(t), nil }

// String hides the token from whoever prints it.
func (t Token) String() string   { return "REDACTED" }
func (t Token) GoString() string { return "REDACTED" }
