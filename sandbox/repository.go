package sandbox

import "roundhouse/sandbox/payload"

// sourceRoutes answer for the source control that a Sentry may be connected to,
// and the sandbox never is.
func (s *Sandbox) sourceRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /organizations/{org}/repos/", "org:read", listRepos)
	reg("GET /projects/{org}/{project}/stacktrace-link/", "project:read", linkFrame)
}

func listRepos(r *request) (any, error) {
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	return cut(r, []any{}, limit, offset), nil
}

// linkFrame would tell where the source of a stack frame can be read.
func linkFrame(r *request) (any, error) {
	if r.URL.Query().Get("file") == "" {
		return nil, badRequest("Filepath is required")
	}
	return payload.Object{"config": nil, "sourceUrl": nil, "integrations": []any{}}, nil
}
