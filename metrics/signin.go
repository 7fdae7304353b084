package metrics

import "github.com/prometheus/client_golang/prometheus"

// Check is what came of looking a bearer token up.
type Check string

// What can come of it.
const (
	TokenKnown   Check = "ok"
	TokenRefused Check = "refused" // unknown, expired or revoked
	TokenFailed  Check = "failed"  // it could not be looked up
)

func newTokenChecks(r prometheus.Registerer) map[Check]prometheus.Counter {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "token_checks_total", Help: "Bearer tokens that were looked up, those of open streams once a minute."}, []string{"outcome"})
	r.MustRegister(total)
	checks := map[Check]prometheus.Counter{}
	for _, c := range []Check{TokenKnown, TokenRefused, TokenFailed} {
		checks[c] = total.WithLabelValues(string(c))
	}
	return checks
}

// TokenChecked notes that a token was looked up.
func (m *Metrics) TokenChecked(c Check) { m.tokens[c].Inc() }

func newAuthorizations(r prometheus.Registerer) *prometheus.CounterVec {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "oauth_events_total", Help: "What the authorization server has done or refused, by the kinds and outcomes of the audit record."}, []string{"kind", "outcome"})
	r.MustRegister(total)
	return total
}

// Authorized notes an event of the authorization server. Both are constants of
// its, never what somebody sent.
func (m *Metrics) Authorized(kind, outcome string) {
	m.authorizations.WithLabelValues(kind, outcome).Inc()
}
