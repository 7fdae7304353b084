package rival

import (
	"context"
	"sync"
	"time"

	"roundhouse/constraint"
	"roundhouse/sentry"
	"roundhouse/tools"
)

// maxVerified bounds what is remembered; beyond it something is forgotten.
const maxVerified = 100_000

// verified remembers which contexts Sentry knew, and what it said of them.
// Only successes are kept.
type verified struct {
	client *sentry.Client
	trust  time.Duration
	now    func() time.Time

	mu    sync.Mutex // guards known
	known map[constraint.Key]known
}

type known struct {
	env   tools.Env
	until time.Time
}

func newVerified(cfg Config) (*verified, error) {
	client, err := sentry.NewClient(sentry.Config{BaseURL: cfg.SentryURL, Tokens: holderTokens{}})
	if err != nil {
		return nil, err
	}
	return &verified{client: client, trust: cfg.Trust, now: time.Now, known: map[constraint.Key]known{}}, nil
}

// bind asks Sentry as ours does when a context is activated, unless it has been
// asked of late.
func (v *verified) bind(ctx context.Context, key constraint.Key) (tools.Env, error) {
	if k, ok := v.find(key); ok {
		return k, nil
	}
	env, err := tools.Bind(ctx, v.client, key)
	if err != nil {
		return tools.Env{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= maxVerified {
		for one := range v.known {
			delete(v.known, one)
			break
		}
	}
	v.known[key] = known{env, v.now().Add(v.trust)}
	return env, nil
}

func (v *verified) find(key constraint.Key) (tools.Env, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.known[key]
	return k.env, ok && v.now().Before(k.until)
}
