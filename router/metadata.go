package router

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"roundhouse/constraint"
)

const metadataPath = "/.well-known/oauth-protected-resource"

// metadata serves RFC 9728 for every URL that could be a context. It is made
// from the path alone, so that it tells nothing about what exists.
func (rt *router) metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Allow-Headers", "*")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	org, project := mux.Vars(r)["org"], mux.Vars(r)["project"]
	if err := constraint.Check(org, project); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name"`
	}{
		Resource: rt.resource(org, project),
		Servers:  []string{rt.PublicURL},
		Scopes:   rt.Scopes,
		Methods:  []string{"header"},
		Name:     strings.TrimSpace("Roundhouse " + strings.TrimPrefix(place(org, project), "/mcp")),
	})
}

// metadataURL puts the well-known part between the host and the path of
// resource (RFC 9728 §3.1).
func (rt *router) metadataURL(resource string) string {
	return rt.PublicURL + metadataPath + strings.TrimPrefix(resource, rt.PublicURL)
}
