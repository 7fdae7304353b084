package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	maxWindow = 24 * 60 * 60
	maxSpent  = 10_000 // windows remembered at a time
)

// rateLimit is how many errors a key takes in a window. As in Sentry, only
// errors count: spans, logs and the rest come in as before.
type rateLimit struct {
	Window int64 `json:"window"` // in seconds
	Count  int64 `json:"count"`
}

// limitedCategories are those of errors, as SDKs are told them.
const limitedCategories = "default;error;security"

// readRateLimit reads the member of a key; null and zeros mean no limit.
func readRateLimit(raw json.RawMessage) (*rateLimit, error) {
	var l *rateLimit
	if err := json.Unmarshal(raw, &l); err != nil || l != nil && (l.Window < 0 || l.Window > maxWindow || l.Count < 0 || l.Count > math.MaxInt32) {
		return nil, badField("rateLimit", fmt.Sprintf("It must be null or an object of a count and a window of at most %d seconds.", maxWindow))
	}
	if l == nil || l.Window == 0 || l.Count == 0 {
		return nil, nil
	}
	return l, nil
}

// spending is what keys with a limit, or addresses, have taken in their windows. It is not
// stored: with a new start, or in another process, a new window begins.
type spending struct {
	mu   sync.Mutex
	keys map[string]*spent
}

type spent struct {
	began time.Time
	count int64
}

// take counts one more error, or tells how long there may be none.
func (s *spending) take(key string, l rateLimit, now time.Time) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	window := time.Duration(l.Window) * time.Second
	k := s.keys[key]
	if k == nil || now.Sub(k.began) >= window || now.Before(k.began) {
		k = &spent{began: now}
		if s.keys == nil || len(s.keys) >= maxSpent {
			s.keys = map[string]*spent{} // forgetting is kinder than refusing
		}
		s.keys[key] = k
	}
	if k.count >= l.Count {
		return window - now.Sub(k.began)
	}
	k.count++
	return 0
}

// limitErrors takes from the envelope what is beyond the limit of the key: an
// error, and with it its attachments. The sender is told by the header, and by
// 429 when nothing is left.
func (s *Sandbox) limitErrors(h http.Header, key string, l *rateLimit, env *payload.Envelope) error {
	isError := func(it payload.Item) bool { return it.Kind == "event" }
	if l == nil || !slices.ContainsFunc(env.Items, isError) {
		return nil
	}
	wait := time.Duration(0)
	env.Items = slices.DeleteFunc(env.Items, func(it payload.Item) bool {
		if isError(it) && wait == 0 {
			wait = s.spending.take(key, *l, s.now())
		}
		return isError(it) && wait > 0
	})
	if wait == 0 {
		return nil
	}
	env.Items = slices.DeleteFunc(env.Items, func(it payload.Item) bool { return it.Kind == "attachment" })
	after := strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10)
	h.Set("X-Sentry-Rate-Limits", after+":"+limitedCategories+":key")
	if len(env.Items) > 0 {
		return nil
	}
	h.Set("Retry-After", after)
	return refuse(http.StatusTooManyRequests, "the key takes %d errors in %d seconds; send again in %s seconds", l.Count, l.Window, after)
}
