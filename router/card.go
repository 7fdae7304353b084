package router

import (
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strings"
)

const (
	title = "Roundhouse"
	// summary may have at most 100 characters (SEP-2127).
	summary = "Search, explain and triage Sentry issues. Each URL is confined to an organization or project."
)

// remote is where one shape of context is served.
type remote struct {
	Type      string              `json:"type"`
	URL       string              `json:"url"`
	Variables map[string]variable `json:"variables,omitempty"`
	Protocols []string            `json:"supportedProtocolVersions,omitempty"`
}

type variable struct {
	Description string `json:"description"`
	Required    bool   `json:"isRequired"`
}

func (rt *router) remotes(protocols []string) []remote {
	org := variable{"Slug of the organization in Sentry", true}
	project := variable{"Slug of the project in Sentry", true}
	at := func(place string, variables map[string]variable) remote {
		return remote{"streamable-http", rt.PublicURL + "/mcp" + place, variables, protocols}
	}
	return []remote{
		at("", nil),
		at("/{org}", map[string]variable{"org": org}),
		at("/{org}/{project}", map[string]variable{"org": org, "project": project}),
	}
}

// entry is what the card and the registry's document have in common.
type entry struct {
	Schema      string   `json:"$schema"`
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Version     string   `json:"version"`
	WebsiteURL  string   `json:"websiteUrl"`
	Remotes     []remote `json:"remotes"`
}

// card is the server card of SEP-2127, without tools by design.
func (rt *router) card() entry {
	return entry{"https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
		rt.registryName(), title, summary, rt.About.Version, rt.PublicURL + "/", rt.remotes(rt.About.Protocols)}
}

// registryEntry is server.json, which an operator can publish as it is.
func (rt *router) registryEntry() entry {
	return entry{"https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
		rt.registryName(), title, summary, rt.About.Version, rt.PublicURL + "/", rt.remotes(nil)}
}

// registryName is the host backwards, and ours: com.example.mcp/roundhouse.
func (rt *router) registryName() string {
	host := rt.hostname()
	if net.ParseIP(host) != nil { // no name to reverse
		return "localhost/roundhouse"
	}
	labels := strings.Split(host, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "/roundhouse"
}

func (rt *router) hostname() string {
	u, err := url.Parse(rt.PublicURL)
	if err != nil || u.Hostname() == "" {
		return "localhost"
	}
	return strings.ToLower(u.Hostname())
}

func (rt *router) catalog() any {
	type listed struct {
		Identifier string `json:"identifier"`
		Type       string `json:"type"`
		URL        string `json:"url"`
	}
	return struct {
		Version string   `json:"specVersion"`
		Entries []listed `json:"entries"`
	}{"1.0", []listed{{"urn:air:" + rt.hostname() + ":mcp:roundhouse", "application/mcp-server-card+json", rt.PublicURL + cardPath}}}
}

// scan is the older form of a card, for scanners that list tools and cannot
// sign in.
func (rt *router) scan() any {
	tools := rt.About.Tools
	if tools == nil {
		tools = json.RawMessage("[]")
	}
	type named struct {
		Name    string `json:"name"`
		Title   string `json:"title"`
		Version string `json:"version"`
	}
	type authentication struct {
		Required bool     `json:"required"`
		Schemes  []string `json:"schemes"`
	}
	return struct {
		Info           named           `json:"serverInfo"`
		Authentication authentication  `json:"authentication"`
		Tools          json.RawMessage `json:"tools"`
		Resources      []string        `json:"resources"`
		Prompts        []string        `json:"prompts"`
	}{named{"roundhouse", title, rt.About.Version}, authentication{true, []string{"oauth2"}}, tools, []string{}, []string{}}
}
