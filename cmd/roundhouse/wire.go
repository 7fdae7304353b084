package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/actors"
	"roundhouse/constraint"
	"roundhouse/metrics"
	"roundhouse/oauth"
	"roundhouse/router"
	"roundhouse/sentry"
	"roundhouse/task"
	"roundhouse/tools"
	"roundhouse/transport"
)

// program is everything that serve runs, wired together.
type program struct {
	publicURL  string
	dsnCommand string // tells the DSNs of the sandbox
	backend    *backend
	store      *oauth.SQLStore
	tasks      *task.Runner
	auth       *oauth.Server
	admins     administrators
	brought    *passthrough // nil: no tokens of Sentry's own
	node       *actors.Node
	streams    router.Streams
	bodies     router.Bodies
	handler    http.Handler
	metrics    *metrics.Metrics // nil in a command that does not serve
	metricsURL string           // "": they are not served
}

// open builds the program for clients that reach it at publicURL. On an error
// it has closed what it had opened.
func open(ctx context.Context, cfg *config, publicURL string, logger *slog.Logger) (p *program, err error) {
	p = &program{publicURL: publicURL, dsnCommand: cfg.dsnCommand(publicURL + sandboxPath)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	p.metrics = p.newMetrics(cfg)
	if p.admins, err = cfg.administrators(); err != nil {
		return p, err
	}
	dir, err := cfg.dataDir()
	if err != nil {
		return p, err
	}
	if p.backend, err = openBackend(ctx, cfg, dir, publicURL, logger); err != nil {
		return p, err
	}
	p.backend.http.Transport = p.metrics.Sentry(p.backend.http.Transport)
	if p.store, err = openStore(ctx, cfg, dir); err != nil {
		return p, err
	}
	keys, err := openKeys(ctx, dir, p.store)
	if err != nil {
		return p, err
	}
	if p.tasks, err = openTasks(ctx, p.store, keys, logger); err != nil {
		return p, err
	}
	if p.auth, err = p.newAuth(cfg, keys, logger); err != nil {
		return p, err
	}
	if skills := cfg.sentryBearer(); skills != nil {
		trusted, err := cfg.proxies()
		if err != nil {
			return p, err
		}
		p.brought = newPassthrough(publicURL+"/mcp", router.Source(trusted), p.askSentry(skills))
	}
	client, err := p.backend.client(grantTokens{p.auth}, refusals{p.backend.http.Transport, p.auth, p.brought, logger})
	if err != nil {
		return p, err
	}
	if p.node, err = startNode(cfg, client, p.tasks, nodeKeys{keys.Derive("request states"), keys.Derive("session ids")}, p.metrics.Activated, logger); err != nil {
		return p, err
	}
	p.handler = p.newRouter(cfg, logger)
	if p.brought != nil {
		p.handler = p.brought.carry(p.handler)
	}
	return p, nil
}

// openBackend opens what cfg.SentryURL says. The sandbox is mounted below the
// public URL, and Roundhouse is registered in it.
func openBackend(ctx context.Context, cfg *config, dir, publicURL string, logger *slog.Logger) (*backend, error) {
	if cfg.SentryURL != "" {
		return openSentry(cfg)
	}
	b, err := openSandbox(ctx, cfg, dir, publicURL+sandboxPath, logger)
	if err != nil {
		return nil, err
	}
	return b, b.register(ctx, publicURL)
}

func (p *program) newAuth(cfg *config, keys *oauth.Keyring, logger *slog.Logger) (*oauth.Server, error) {
	trusted, err := cfg.proxies()
	if err != nil {
		return nil, err
	}
	var observed func(kind, outcome string)
	if p.metrics != nil {
		observed = p.metrics.Authorized
	}
	return oauth.NewServer(oauth.Config{
		Issuer:       p.publicURL,
		Resource:     p.publicURL + "/mcp",
		Skills:       consentSkills(),
		Upstream:     p.backend.oauth(),
		UpstreamName: p.backend.name,
		HTTPClient:   p.backend.http,
		Identify:     p.identify,

		UpstreamRevokeURL: p.backend.revokeURL,
		Reaches:           p.reaches,
		Admin:             p.isAdmin,
		Ended:             p.streams.End,
		Observed:          observed,
		AccountScopes:     p.admins.scopes(),

		Store:  p.store,
		Keys:   keys,
		Source: router.Source(trusted),

		Documents: cfg.documents(),
		Logger:    logger.With("part", "oauth"),
	})
}

func consentSkills() []oauth.Skill {
	var skills []oauth.Skill
	for _, s := range tools.Skills {
		skills = append(skills, oauth.Skill{ID: s.ID, Title: s.Title, Description: s.Description, Upstream: s.Scopes, Default: s.Default})
	}
	return skills
}

// identify asks Sentry whose a fresh token is.
func (p *program) identify(ctx context.Context, token string) (oauth.User, error) {
	client, err := p.clientOf(token)
	if err != nil {
		return oauth.User{}, err
	}
	user, err := client.Whoami(ctx)
	if err != nil {
		return oauth.User{}, err
	}
	known := oauth.User{ID: string(user.ID), Name: string(user.Name), Email: string(user.Email)}
	if user.Unverified() { // anybody can write an administrator's there
		known.Email = ""
	}
	return known, nil
}

// nodeKeys seal what clients carry for a node, the same on every node. One that
// is nil is made for this process.
type nodeKeys struct{ states, sessions []byte }

// startNode starts the actors. An activation binds the shared catalog to its
// key, with the credential of whoever asked first. Without a Runner there are no
// tasks; activated, if it is not nil, is told how long they took.
func startNode(cfg *config, client *sentry.Client, tasks *task.Runner, keys nodeKeys, activated func(whole, waited time.Duration), logger *slog.Logger) (*actors.Node, error) {
	states, err := tools.NewRequestStates(keys.states)
	if err != nil {
		return nil, err
	}
	catalog := tools.Default()
	toolsLogger := logger.With("part", "tools")
	contexts := actors.Config{
		Idle:        cfg.Idle,
		MaxContexts: cfg.MaxContexts,
		Activated:   activated,
		Logger:      logger.With("part", "actors"),
		Transport:   transport.Config{Secret: keys.sessions, SessionIdle: cfg.SessionIdle, Tasks: transport.TaskConfig{Runner: tasks, Tool: taskTool(catalog)}, Plain: catalog.Plain},
		NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
			begin := time.Now()
			env, err := tools.Bind(ctx, client, key)
			actors.Waited(ctx, time.Since(begin))
			if err != nil {
				return nil, err
			}
			env.Logger, env.Tasks = toolsLogger, tasks != nil
			env.HideTools = cfg.StepUp == "off"
			env.Confirm, env.States = confirms[cfg.Confirm], states
			return catalog.NewServer(env), nil
		},
	}
	if cfg.tune != nil {
		cfg.tune(&contexts)
	}
	return actors.Start(contexts)
}

func (p *program) newRouter(cfg *config, logger *slog.Logger) http.Handler {
	public := map[string]http.Handler{}
	for _, path := range p.auth.Paths() {
		public[path] = p.auth
	}
	if p.backend.sandbox != nil {
		public[sandboxPath+"/"] = p.backend.sandbox
	}
	var all, first []string
	for _, s := range tools.Skills {
		all = append(all, s.ID)
		if s.Default {
			first = append(first, s.ID)
		}
	}
	var verifySentry router.Verifier
	if p.brought != nil {
		verifySentry = p.counted(p.brought.verify)
	}
	stepUp := tools.Default().StepUp
	if cfg.StepUp == "off" {
		stepUp = nil
	}
	return router.New(router.Config{
		PublicURL:     p.publicURL,
		Directory:     p.node,
		Verify:        p.counted(p.verify),
		VerifySentry:  verifySentry,
		Streams:       &p.streams,
		Bodies:        &p.bodies,
		Observer:      p.metrics,
		StepUp:        stepUp,
		Scopes:        all,
		DefaultScopes: first,
		Public:        public,
		About:         about(cfg.GlamaClaim),
		Origins:       splitList(cfg.AllowedOrigins),
		Ready:         p.ready,
		Home:          home(p.publicURL),
		Logger:        logger.With("part", "router"),
	})
}

// verify turns a token of ours into its holder.
func (p *program) verify(ctx context.Context, token string) (constraint.Caller, error) {
	grant, err := p.auth.Verify(ctx, token)
	if errors.Is(err, oauth.ErrInvalidToken) {
		return constraint.Caller{}, constraint.ErrUnauthorized
	}
	if err != nil {
		return constraint.Caller{}, err
	}
	return constraint.Caller{User: grant.User, Grant: grant.ID, Resource: grant.Resource, Skills: grant.Scopes, Expires: grant.Expires}, nil
}

// ready looks up a token that nobody has: being told so means that the store
// answers.
func (p *program) ready(ctx context.Context) error {
	_, err := p.auth.Verify(ctx, "nobody's")
	if errors.Is(err, oauth.ErrInvalidToken) {
		return nil
	}
	return fmt.Errorf("look up a token: %w", err)
}

// close closes what is kept on disk; the node must have been shut down.
func (p *program) close() error {
	var errs []error
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	if p.backend != nil {
		errs = append(errs, p.backend.close())
	}
	return errors.Join(errs...)
}
