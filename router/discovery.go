package router

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// About is what directories and scanners are told of this server. It is public,
// the same for everybody, and made once: none of it is of any context.
type About struct {
	Version   string          // of the program
	Protocols []string        // MCP revisions, newest first
	Tools     json.RawMessage // a list of MCP tools, for scanners that cannot sign in; nil: none are told

	// GlamaClaim proves to the directory Glama whose this server is:
	// glama_claim_... Empty: there is no such document.
	GlamaClaim string
}

const (
	cardPath     = "/server-card"
	documentLife = "public, max-age=3600"
)

// document is a public file that is the same for everybody.
type document struct {
	contentType, etag string
	content           []byte
}

func newDocument(contentType string, content []byte) document {
	sum := sha256.Sum256(content)
	return document{contentType, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, content}
}

func newJSONDocument(contentType string, v any) document {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("router: a document of constants: %v", err)) // never: strings and maps of them
	}
	return newDocument(contentType, append(content, '\n'))
}

// ServeHTTP lets any page read the document and keep it, as SEP-2127 wants.
func (d document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET")
		h.Set("Access-Control-Allow-Headers", "Content-Type, If-None-Match")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.Set("Access-Control-Expose-Headers", "ETag")
	h.Set("Content-Type", d.contentType)
	h.Set("Cache-Control", documentLife)
	h.Set("ETag", d.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.content))
}

// discovery adds the documents by which clients, directories and scanners find
// the server. The card is also below every URL that could be a context, whether
// or not there is one (SEP-2127), which is why that slug is reserved.
func (rt *router) discovery(m *mux.Router) {
	card := newJSONDocument("application/mcp-server-card+json", rt.card())
	documents := map[string]document{
		cardPath:                            card,
		"/.well-known/ai-catalog.json":      newJSONDocument("application/ai-catalog+json", rt.catalog()),
		"/.well-known/mcp/server-card.json": newJSONDocument("application/json", rt.scan()),
		"/server.json":                      newJSONDocument("application/json", rt.registryEntry()),
		"/mcp.json":                         newJSONDocument("application/json", map[string]string{"name": title, "description": summary, "endpoint": rt.PublicURL + "/mcp"}),
		"/llms.txt":                         newDocument("text/plain; charset=utf-8", []byte(rt.llms())),
		"/robots.txt":                       newDocument("text/plain; charset=utf-8", []byte("User-agent: *\nAllow: /mcp.json\nDisallow: /mcp\nDisallow: /oauth/\nDisallow: /account\n")),
	}
	if rt.About.GlamaClaim != "" {
		documents["/.well-known/glama.json"] = newJSONDocument("application/json", map[string]string{
			"$schema": "https://glama.ai/mcp/schemas/connector.json", "claim": rt.About.GlamaClaim})
	}
	for path, d := range documents {
		m.Path(path).Methods(http.MethodGet, http.MethodHead, http.MethodOptions).Handler(d)
	}
	for _, place := range []string{"", "/{org}", "/{org}/{project}"} {
		m.Path("/mcp"+place+cardPath).Methods(http.MethodGet, http.MethodHead, http.MethodOptions).Handler(card)
	}
}

func (rt *router) llms() string {
	return fmt.Sprintf(`# Roundhouse

> An MCP server for Sentry and Sentry-compatible servers: issues, errors, spans and logs for coding agents.
> Not affiliated with Functional Software, Inc.

Speaks MCP %[2]s over Streamable HTTP. Signing in is OAuth 2.1: a client without a token gets a 401 that says where to
start, and needs nothing configured but a URL.

## URLs

- %[1]s/mcp : everything the signed-in user can see
- %[1]s/mcp/{org} : one organization
- %[1]s/mcp/{org}/{project} : one project; nothing outside it can be reached

Each URL is a server of its own. Use several at once to work in several projects.

## Clients

- Claude Code: claude mcp add --transport http roundhouse %[1]s/mcp
- Codex: codex mcp add roundhouse --url %[1]s/mcp
- Clients without remote servers: npx mcp-remote %[1]s/mcp

## Documents

- %[1]s/server-card : server card
- %[1]s/server.json : the entry for registries
- %[1]s/account : sign-ins and tokens of a user
`, rt.PublicURL, strings.Join(rt.About.Protocols, ", "))
}
