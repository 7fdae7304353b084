// Package metrics tells operators what the program is doing, in the form that
// Prometheus reads, and lets them profile it. All names, units and labels are
// here and nowhere else; the other packages know nothing of Prometheus. They
// count for themselves, and a Reading of what they counted is taken at each
// scrape; only durations are told as they happen.
//
// Every label has few values, which are known before the first request: never a
// user, an organization, a project, a token or an identity. So neither does a
// scrape tell whose contexts there are, nor can anybody make it grow.
//
// Metrics are safe for concurrent use. The Handler answers to whoever reaches
// it, so it belongs on an address of the operator's own.
package metrics
