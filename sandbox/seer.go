package sandbox

import (
	"net/http"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/seed"
)

// seerRoutes answer for the analyses that Sentry's own service makes. The
// sandbox has one, which the seed brings, and never makes one up.
func (s *Sandbox) seerRoutes(reg func(pattern, scope string, h handler)) {
	const autofix = "/organizations/{org}/issues/{issue}/autofix/"
	reg("GET "+autofix, "event:read", getAnalysis)
	reg("POST "+autofix, "event:write", startAnalysis)
}

// analysis is what there is on the issue of the path, or nil.
func (r *request) analysis() (run payload.Object, err error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	var analyzed bool
	project, eventID := seed.Analyzed()
	err = r.sb.read().QueryRowContext(r.Context(), "SELECT EXISTS (SELECT 1 FROM item WHERE event_id = ? AND issue = ? AND project = ?)", eventID, is.id, project).Scan(&analyzed)
	if analyzed {
		run = seed.Analysis()
	}
	return run, err
}

func getAnalysis(r *request) (any, error) {
	run, err := r.analysis()
	if err != nil || run == nil {
		return payload.Object{"autofix": nil}, err
	}
	return payload.Object{"autofix": run}, nil
}

func startAnalysis(r *request) (any, error) {
	run, err := r.analysis()
	if err != nil {
		return nil, err
	}
	if run == nil {
		return nil, refuse(http.StatusForbidden, "Seer is not available in the sandbox.")
	}
	return payload.Object{"run_id": run["run_id"]}, nil
}
