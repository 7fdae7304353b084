package oauth

import (
	"context"
	"errors"
	"log/slog"

	"roundhouse/oauth/cimd"
)

// errUndescribed is what is wrong with a client whose id is the URL of its
// metadata document. Its text may be shown to anybody.
type errUndescribed struct{ reason string }

func (e errUndescribed) Error() string { return e.reason }

// Is makes it one of the unknown clients.
func (e errUndescribed) Is(target error) bool { return target == errUnknownClient }

// describes reports whether a client id stands for a document.
func (s *Server) describes(id string) bool { return s.documents != nil && cimd.IsURL(id) }

// described returns a client that never registered: its id is the URL of a
// document that describes it (draft-ietf-oauth-client-id-metadata-document).
// Anybody can use such an id, so the client is a public one; all that it proves
// is that codes go where the owner of the URL wants them.
func (s *Server) described(ctx context.Context, id string) (Client, error) {
	doc, err := s.documents.Get(ctx, id, func() error { return s.limit(ctx, s.limits.document) })
	var failure *cimd.Error
	if errors.As(err, &failure) {
		s.log.LogAttrs(ctx, slog.LevelInfo, "client document refused", slog.String("client", id), slog.Any("error", err))
		return Client{}, errUndescribed{failure.Reason}
	}
	if err != nil {
		return Client{}, err
	}
	client, err := s.fromDocument(doc)
	var refused *Error
	if errors.As(err, &refused) {
		return Client{}, errUndescribed{"its document is not good: " + refused.Description}
	}
	return client, err
}

// fromDocument accepts of a document what could be registered.
func (s *Server) fromDocument(doc cimd.Document) (Client, error) {
	switch doc.AuthMethod {
	case "", authNone: // RFC 7591 would have Basic for none, but there is no secret
	default:
		return Client{}, badMetadata("token_endpoint_auth_method must be none")
	}
	metadata, err := registration{
		RedirectURIs:    doc.RedirectURIs,
		AuthMethod:      authNone,
		GrantTypes:      doc.GrantTypes,
		ResponseTypes:   doc.ResponseTypes,
		Name:            doc.Name,
		ApplicationType: doc.ApplicationType,
	}.settle()
	if err != nil {
		return Client{}, err
	}
	if metadata.Name == "" {
		return Client{}, badMetadata("client_name is missing")
	}
	now := s.now()
	return Client{
		ID:           doc.ID,
		Name:         metadata.Name,
		RedirectURIs: metadata.RedirectURIs,
		AuthMethod:   authNone,
		Created:      now,
		Expires:      now.Add(registrationLife),
	}, nil
}
