package jsonrpc

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestError_Write(t *testing.T) {
	for why, tt := range map[string]struct {
		e    Error
		want string
	}{
		"no request":    {Error{Status: 503, Message: "full"}, `{"jsonrpc":"2.0","id":null,"error":{"code":503,"message":"full"}}`},
		"a bad request": {Error{Status: 400, ID: json.RawMessage(`"a"`), Code: InvalidRequest, Message: "no"}, `{"jsonrpc":"2.0","id":"a","error":{"code":-32600,"message":"no"}}`},
		"with its code and data": {Error{Status: 400, ID: json.RawMessage(`7`), Code: MissingCapability, Message: "no", Data: map[string]int{"n": 1}},
			`{"jsonrpc":"2.0","id":7,"error":{"code":-32021,"message":"no","data":{"n":1}}}`},
	} {
		t.Run(why, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.e.Write(w)
			if got := strings.TrimSpace(w.Body.String()); got != tt.want || w.Code != tt.e.Status {
				t.Errorf("%d %s, want %d %s", w.Code, got, tt.e.Status, tt.want)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}
