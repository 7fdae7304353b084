package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"roundhouse/oauth/cimd"
)

// How long things live.
const (
	consentLife  = 10 * time.Minute // from the consent page to its answer
	loginLife    = 10 * time.Minute // from there, through the upstream, and back
	codeLife     = 2 * time.Minute
	accessLife   = time.Hour
	refreshLife  = 90 * 24 * time.Hour // slides with every refresh
	clientLife   = 2 * refreshLife     // since its last token: it outlives its grants, so that it can sign in again
	replayWindow = 60 * time.Second

	// Of a client that was never given a token. It is shorter, so that in a
	// flood of registrations they give way before those that were.
	registrationLife = 24 * time.Hour
)

// Config tells a Server whom it serves.
type Config struct {
	// Issuer is the public origin, such as "https://host": https, or http on a
	// loopback address. No path, no trailing slash. Required.
	Issuer string

	// Resource is the widest resource that tokens can be for, such as
	// "https://host/mcp". Required.
	Resource string

	// Skills are what a user can consent to; their ids are our scopes.
	// Required.
	Skills []Skill

	// Upstream is our registration there: ClientID, ClientSecret and Endpoint.
	// The server sets RedirectURL and Scopes. Required.
	Upstream oauth2.Config

	// UpstreamName is shown to the user, such as "sentry.example.com". Empty:
	// the host of Upstream's AuthURL.
	UpstreamName string

	// UpstreamRevokeURL is where the upstream revokes tokens (RFC 7009). Empty:
	// it cannot, and what is revoked here lives on there until it expires.
	UpstreamRevokeURL string

	// HTTPClient reaches the upstream's token endpoint. Nil: one that gives up
	// after 15 seconds.
	HTTPClient *http.Client

	// Identify asks the upstream whom an upstream token belongs to. Its error
	// is logged, so it must not hold the token. Required.
	Identify func(ctx context.Context, accessToken string) (User, error)

	// Reaches asks the upstream whether the user of an upstream token has access
	// to an organization, or to a project of it, unless that is empty. A sign-in
	// for what its user cannot see is refused. Nil: nothing is refused.
	Reaches func(ctx context.Context, accessToken, org, project string) (bool, error)

	// Admin says whether a user may see and revoke what other users allowed, on
	// the account page. The upstream token is good for AccountScopes. Nil: nobody.
	Admin func(ctx context.Context, user User, accessToken string) (bool, error)

	// Ended is told the id of each grant that this process has revoked, once it
	// is in the store; it must not block. Nil: nobody is told.
	Ended func(grant string)

	// Observed is told the Kind and Outcome of each event, of those too that the
	// audit record leaves out; it must not block. Nil: nobody is told.
	Observed func(kind, outcome string)

	// AccountScopes are asked of the upstream for signing in to the account
	// page: what Identify and Admin need.
	AccountScopes []string

	Store  Store            // required
	Keys   *Keyring         // seals what is kept; see OpenKeyring. Required.
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default(). Never told a secret.

	// Documents fetches the metadata documents of clients whose id is a URL.
	// Nil: every client must register.
	Documents *cimd.Fetcher

	// Source tells from which address a request comes. Nil: whoever connected,
	// which behind a proxy is the proxy.
	Source func(*http.Request) netip.Addr
	Limits Limits
}

// Skill is a bundle of tools that a user allows or does not.
type Skill struct {
	ID          string // our scope: letters, digits and "-._:"
	Title       string
	Description string
	Upstream    []string // the scopes it needs upstream
	Default     bool     // ticked on a fresh consent page, whatever the client asks for
}

// User is a user of the upstream.
type User struct {
	ID    string // stable and unique; at most 128 bytes
	Name  string
	Email string
}

// label is how a page names the user, who chose that name.
func (u User) label() string {
	for _, name := range []string{u.Name, u.Email} {
		if name = clip(name); name != "" {
			return name
		}
	}
	return u.ID
}

// Server is an authorization server: an http.Handler for the Paths, and what
// verifies the tokens that it issued.
type Server struct {
	issuer       string
	resource     string
	skills       []Skill
	upstream     oauth2.Config
	upstreamName string
	revokeURL    string
	httpClient   *http.Client
	identify     func(context.Context, string) (User, error)
	reaches      func(ctx context.Context, accessToken, org, project string) (bool, error)
	admin        func(context.Context, User, string) (bool, error)
	tellEnded    func(grant string)
	observed     func(kind, outcome string)

	accountScopes []string

	store   Store
	sealer  *sealer
	lineage lineage
	now     func() time.Time
	log     *slog.Logger
	cookie  browserCookie
	mux     *http.ServeMux

	refreshes singleflight.Group // by grant id
	rotating  underway           // of them
	source    func(*http.Request) netip.Addr
	documents *cimd.Fetcher
	limits    limiters

	noted     useNotes
	uses      *batch[Use]
	events    *batch[Event]
	farewells *batch[farewell]

	polls polls

	cannotRevoke atomic.Int64 // until then, in nanoseconds since 1970: the upstream has no such URL
}

// NewServer checks the configuration and returns a server. It starts nothing.
func NewServer(cfg Config) (*Server, error) {
	issuer, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("oauth: %w", err)
	}
	s := &Server{
		issuer:       cfg.Issuer,
		resource:     cfg.Resource,
		skills:       slices.Clone(cfg.Skills),
		upstream:     cfg.Upstream,
		upstreamName: cfg.UpstreamName,
		revokeURL:    cfg.UpstreamRevokeURL,
		httpClient:   cfg.HTTPClient,
		identify:     cfg.Identify,
		reaches:      cfg.Reaches,
		admin:        cfg.Admin,
		tellEnded:    cfg.Ended,
		observed:     cfg.Observed,

		accountScopes: slices.Clone(cfg.AccountScopes),

		store:   cfg.Store,
		sealer:  newSealer(cfg.Keys),
		lineage: cfg.Keys.now().lineage,
		now:     cfg.Now,
		log:     cfg.Logger,
		cookie:  newBrowserCookie(issuer.Scheme == "https"),
	}
	s.upstream.RedirectURL = s.issuer + callbackPath
	if s.upstream.Endpoint.AuthStyle == oauth2.AuthStyleAutoDetect {
		// Detection asks twice, and a code or refresh token is spent by the
		// first question.
		s.upstream.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if s.upstreamName == "" {
		authURL, err := url.Parse(cfg.Upstream.Endpoint.AuthURL)
		if err != nil {
			return nil, fmt.Errorf("oauth: upstream authorization URL: %w", err)
		}
		s.upstreamName = authURL.Host
	}
	if s.httpClient == nil {
		s.httpClient = &http.Client{Timeout: 15 * time.Second}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.tellEnded == nil {
		s.tellEnded = func(string) {}
	}
	if s.observed == nil {
		s.observed = func(string, string) {}
	}
	s.uses, s.events, s.farewells = s.newUses(), s.newEvents(), s.newFarewells()
	if s.source = cfg.Source; s.source == nil {
		s.source = peer
	}
	s.documents = cfg.Documents
	s.limits = newLimiters(cfg.Limits, s.now)
	s.mux = s.routes()
	return s, nil
}

// A scope as in RFC 6749 §3.3, without what would need quoting in a header.
var skillID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

func (cfg Config) check() (issuer *url.URL, err error) {
	issuer, err = url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	switch {
	case issuer.Host == "" || cfg.Issuer != issuer.Scheme+"://"+issuer.Host:
		return nil, fmt.Errorf("issuer %q must be an origin such as https://host, without a path", cfg.Issuer)
	case issuer.Scheme != "https" && !(issuer.Scheme == "http" && isLoopback(issuer.Hostname())):
		return nil, fmt.Errorf("issuer %q must be https, or http on a loopback address", cfg.Issuer)
	case !within(cfg.Issuer, cfg.Resource) || strings.ContainsAny(cfg.Resource, "?#"):
		return nil, fmt.Errorf("resource %q must be the issuer or below it", cfg.Resource)
	case len(cfg.Skills) == 0:
		return nil, errors.New("no skills to consent to")
	case cfg.Upstream.ClientID == "" || cfg.Upstream.Endpoint.AuthURL == "" || cfg.Upstream.Endpoint.TokenURL == "":
		return nil, errors.New("the upstream needs a client id, an authorization URL and a token URL")
	case cfg.Identify == nil || cfg.Store == nil:
		return nil, errors.New("the config lacks Identify or Store")
	case cfg.Keys == nil:
		return nil, errors.New("the config lacks Keys")
	}
	seen := make(map[string]bool)
	for _, skill := range cfg.Skills {
		if !skillID.MatchString(skill.ID) || seen[skill.ID] {
			return nil, fmt.Errorf("skill %q: its id must be unique, and of letters, digits, '.', '_', ':' or '-'", skill.ID)
		}
		seen[skill.ID] = true
	}
	return issuer, nil
}

const (
	metadataPath  = "/.well-known/oauth-authorization-server"
	discoveryPath = "/.well-known/openid-configuration"
	registerPath  = "/oauth/register"
	authorizePath = "/oauth/authorize"
	callbackPath  = "/oauth/callback"
	tokenPath     = "/oauth/token"
	revokePath    = "/oauth/revoke"
)

// Paths returns what the server handles, for whoever mounts it.
func (s *Server) Paths() []string {
	return []string{metadataPath, discoveryPath, registerPath, authorizePath, callbackPath, tokenPath, revokePath,
		accountPath, signInPath, signOutPath, endPath, personalPath, deviceAuthorizationPath, devicePath}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, withSource(r, s.source(r)))
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, path := range []string{metadataPath, discoveryPath} {
		mux.Handle("GET "+path, anyOrigin(s.serveMetadata))
		mux.HandleFunc("OPTIONS "+path, preflight("GET, HEAD"))
	}
	for path, handle := range map[string]http.HandlerFunc{registerPath: s.serveRegister, tokenPath: s.serveToken, revokePath: s.serveRevoke,
		deviceAuthorizationPath: s.serveDeviceAuthorization} {
		mux.Handle("POST "+path, anyOrigin(handle))
		mux.HandleFunc("OPTIONS "+path, preflight("POST"))
	}
	mux.HandleFunc("GET "+authorizePath, s.serveAuthorize)
	mux.HandleFunc("GET "+callbackPath, s.serveCallback)
	mux.HandleFunc("GET "+devicePath, s.serveDevice)
	mux.HandleFunc("GET "+accountPath, s.serveAccount)
	for path, handle := range map[string]http.HandlerFunc{authorizePath: s.serveConsent, devicePath: s.serveDeviceForm, signInPath: s.serveSignIn,
		signOutPath: s.withSession(s.serveSignOut), endPath: s.withSession(s.serveEnd), personalPath: s.withSession(s.servePersonal)} {
		mux.HandleFunc("POST "+path, s.ownForms(handle))
	}
	return mux
}

// skillsNamed returns the skills that scope names, in our order. Unknown
// scopes are ignored: clients ask for "offline_access" and the like.
func (s *Server) skillsNamed(scope string) []Skill {
	asked := strings.Fields(scope)
	var named []Skill
	for _, skill := range s.skills {
		if slices.Contains(asked, skill.ID) {
			named = append(named, skill)
		}
	}
	return named
}

func skillIDs(skills []Skill) []string {
	ids := make([]string, len(skills))
	for i, skill := range skills {
		ids[i] = skill.ID
	}
	return ids
}
