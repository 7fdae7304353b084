package main

import (
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/router"
	"roundhouse/tools"
	"roundhouse/transport"
)

// about is what directories are told: the tools as somebody who sees everything
// would be shown them.
func about(glamaClaim string) router.About {
	catalog := tools.Default()
	var listed []mcp.Tool
	for t := range catalog.All() {
		if def, ok := catalog.Definition(t.Name, tools.ShapeUser); ok && t.Listed {
			listed = append(listed, def)
		}
	}
	told, err := json.Marshal(listed)
	if err != nil {
		panic("roundhouse: the catalog has no JSON: " + err.Error()) // never: tools/list sends the same
	}
	return router.About{Version: version(), Protocols: transport.Versions, Tools: told, GlamaClaim: glamaClaim}
}
