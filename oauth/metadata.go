package oauth

import (
	"encoding/json"
	"net/http"
)

// metadata is the document of RFC 8414.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint"` // RFC 8628
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`

	Documents bool `json:"client_id_metadata_document_supported,omitempty"`

	// RFC 9207. A client that reads true refuses a redirect without iss, so
	// every redirect carries it: see redirectToClient.
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`
}

func (s *Server) metadata() metadata {
	return metadata{
		Issuer:                s.issuer,
		AuthorizationEndpoint: s.issuer + authorizePath,
		TokenEndpoint:         s.issuer + tokenPath,
		RegistrationEndpoint:  s.issuer + registerPath,
		RevocationEndpoint:    s.issuer + revokePath,
		DeviceEndpoint:        s.issuer + deviceAuthorizationPath,
		Scopes:                skillIDs(s.skills),
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            []string{grantTypeCode, grantTypeRefresh, grantTypeDevice},
		TokenAuthMethods:      []string{authNone, authBasic, authPost},
		RevocationAuthMethods: []string{authNone, authBasic, authPost},
		ChallengeMethods:      []string{"S256"},
		Documents:             s.documents != nil,
		IssParameter:          true,
	}
}

func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	json.NewEncoder(w).Encode(s.metadata())
}
