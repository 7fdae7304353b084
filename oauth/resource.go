package oauth

import (
	"regexp"
	"strings"
)

// slug is one path segment of a resource: an organization or a project. Its
// first character keeps "." and ".." out.
var slug = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// within reports whether inner is outer or lies below it. It compares on a
// path boundary: /mcp/acme/web2 is not within /mcp/acme/web.
func within(outer, inner string) bool {
	return inner == outer || strings.HasPrefix(inner, outer+"/")
}

// checkResource checks the resource parameter (RFC 8707) and fills in the
// widest when there is none. It compares text and normalizes nothing: two
// spellings of a URL are two resources.
func (s *Server) checkResource(resource string) (string, error) {
	if resource == "" {
		return s.resource, nil
	}
	if !within(s.resource, resource) || len(s.segments(resource)) > 2 {
		return "", invalidTarget()
	}
	for _, segment := range s.segments(resource) {
		if !slug.MatchString(segment) {
			return "", invalidTarget()
		}
	}
	return resource, nil
}

// narrowResource returns what a token will be for: what the user authorized,
// or a part of it (RFC 8707 §2.2).
func (s *Server) narrowResource(authorized, asked string) (string, error) {
	if asked == "" {
		return authorized, nil
	}
	resource, err := s.checkResource(asked)
	if err != nil {
		return "", err
	}
	if !within(authorized, resource) {
		return "", invalidTarget()
	}
	return resource, nil
}

// segments returns what a resource has below the widest one: nothing, an
// organization, or an organization and a project.
func (s *Server) segments(resource string) []string {
	below := strings.TrimPrefix(resource, s.resource)
	if below == "" {
		return nil
	}
	return strings.Split(below[1:], "/")
}

// reach says in words what a resource lets a client see.
func (s *Server) reach(resource string) string {
	switch segments := s.segments(resource); len(segments) {
	case 0:
		return "everything you can see"
	case 1:
		return "organization " + segments[0]
	default:
		return "project " + segments[1] + " of " + segments[0]
	}
}

func invalidTarget() *Error {
	return &Error{Code: codeInvalidTarget, Description: "the resource is not one of this server's, or not within the authorized one"}
}
