package transport

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// mcp-go would log the session of every client that answers a question twice,
// or too late.
func TestLog_tellsNoSession(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, talker(), Config{Logger: slog.New(slog.NewTextHandler(&log, nil)).With("part", "test")})
	session := w.session()
	resp := w.do(w.legacy(t.Context(), http.MethodPost, session, `{"jsonrpc":"2.0","id":1,"result":{"secret":1}}`))
	_, _ = io.Copy(io.Discard, resp.Body) // the log is written before the answer has ended
	resp.Body.Close()
	if got := log.String(); strings.Contains(got, session) || !strings.Contains(got, "part=test") {
		t.Errorf("the log: %s", got)
	}
}
