package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// maxDocument bounds what is read of a server's answer.
const maxDocument = 1 << 20

// server is what is known of the authorization server of an MCP server.
type server struct {
	metadata
	resource string   // that tokens are asked for (RFC 8707)
	scopes   []string // that the MCP server names
}

// metadata is the document of RFC 8414, as far as it matters here.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover asks the MCP server without a token, and follows what its refusal
// names (RFC 9728, RFC 8414).
func discover(ctx context.Context, client *http.Client, at string) (*server, error) {
	challenge, err := challengeOf(ctx, client, at)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	places := []string{wellKnown(u, "oauth-protected-resource"), wellKnown(&url.URL{Scheme: u.Scheme, Host: u.Host}, "oauth-protected-resource")}
	if named := parameter(challenge, "resource_metadata"); named != "" {
		places = []string{named}
	}
	var protected struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	if err := fetchFirst(ctx, client, places, &protected); err != nil {
		return nil, fmt.Errorf("find the authorization server: %w", err)
	}
	if !contains(protected.Resource, at) {
		return nil, fmt.Errorf("the metadata of %s is that of another resource, %q", at, short(protected.Resource))
	}
	if len(protected.Servers) == 0 {
		return nil, fmt.Errorf("the metadata of %s names no authorization server", at)
	}
	s := &server{resource: protected.Resource, scopes: protected.Scopes}
	if named := parameter(challenge, "scope"); named != "" {
		s.scopes = strings.Fields(named)
	}
	return s, s.describe(ctx, client, protected.Servers[0], u.Scheme == "http")
}

// question is what has no effect wherever it is answered.
const question = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`

// challengeOf is the WWW-Authenticate that a request without a token gets.
func challengeOf(ctx context.Context, client *http.Client, at string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(question))
	if err != nil {
		return "", err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover",
	} {
		r.Header.Set(name, value)
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		return "", fmt.Errorf("%w: it answers %s", ErrNotAsked, resp.Status)
	}
	return strings.Join(resp.Header.Values("WWW-Authenticate"), ", "), nil
}

var parameters = regexp.MustCompile(`(?i)([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))`)

// parameter is one of a challenge (RFC 9110 §11.2).
func parameter(challenge, name string) string {
	for _, m := range parameters.FindAllStringSubmatch(challenge, -1) {
		if strings.EqualFold(m[1], name) {
			return strings.ReplaceAll(cmp.Or(m[2], m[3]), `\`, "")
		}
	}
	return ""
}

// contains reports whether a resource is a URL or above it.
func contains(resource, at string) bool {
	resource = strings.TrimSuffix(resource, "/")
	return resource != "" && (at == resource || strings.HasPrefix(at, resource+"/"))
}

// wellKnown is where the document of u is, as RFC 8414 §3.1 builds it.
func wellKnown(u *url.URL, name string) string {
	return u.Scheme + "://" + u.Host + "/.well-known/" + name + strings.TrimSuffix(u.EscapedPath(), "/")
}

// describe reads the metadata of an issuer. insecure says that the MCP server
// itself speaks HTTP without TLS.
func (s *server) describe(ctx context.Context, client *http.Client, issuer string, insecure bool) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no authorization server", short(issuer))
	}
	places := []string{wellKnown(u, "oauth-authorization-server"), wellKnown(u, "openid-configuration"), strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"}
	if err := fetchFirst(ctx, client, slices.Compact(places), &s.metadata); err != nil {
		return fmt.Errorf("find the metadata of %s: %w", issuer, err)
	}
	switch {
	case s.Issuer != issuer: // RFC 8414 §3.3: else anybody could speak for it
		return fmt.Errorf("the metadata of %s is that of %q", issuer, short(s.Issuer))
	case !slices.Contains(s.ChallengeMethods, "S256"):
		return fmt.Errorf("%s does not know PKCE with S256", issuer)
	}
	for i, endpoint := range []string{s.AuthorizationEndpoint, s.TokenEndpoint, s.RegistrationEndpoint, s.RevocationEndpoint} {
		if i > 1 && endpoint == "" { // the last two need not be there
			continue
		}
		if err := checkEndpoint(endpoint, insecure); err != nil {
			return fmt.Errorf("the metadata of %s: %w", issuer, err)
		}
	}
	return nil
}

func checkEndpoint(endpoint string, insecure bool) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no endpoint", short(endpoint))
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && (local || insecure)) {
		return fmt.Errorf("%s is not HTTPS", short(endpoint))
	}
	return nil
}

// fetchFirst reads the first of the documents that is there.
func fetchFirst(ctx context.Context, client *http.Client, places []string, into any) error {
	var all []error
	for _, place := range places {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
		if err != nil {
			return err
		}
		if err = fetch(client, r, http.StatusOK, into); err == nil {
			return nil
		}
		all = append(all, fmt.Errorf("%s: %w", place, bare(err)))
	}
	return errors.Join(all...)
}

// fetch reads an answer in JSON.
func fetch(client *http.Client, r *http.Request, want int, into any) error {
	r.Header.Set("Accept", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
