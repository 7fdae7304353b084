package load

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"roundhouse/load/client"
)

const (
	maxKept     = 20
	maxKeptBody = 64 << 10
)

// keeper writes wrong exchanges into files, the first few of them.
type keeper struct {
	dir string // "": none

	log func(string)

	mu    sync.Mutex
	told  int // that were logged, and written if they could be
	files []string
}

// keep writes one. A run goes on if it cannot.
func (k *keeper) keep(a *asker, x *client.Exchange, v verdict, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.told >= maxKept {
		return
	}
	k.told++
	k.log(string(redact(a.without(fmt.Appendf(nil, "wrong: %s, asked by %s", v.why, a)))))
	if k.dir == "" {
		return
	}
	path := filepath.Join(k.dir, fmt.Sprintf("wrong-%02d.txt", k.told))
	if err := os.WriteFile(path, account(a, x, v, at), 0o600); err != nil {
		k.log("cannot keep a wrong exchange: " + err.Error())
		return
	}
	k.files = append(k.files, path)
}

func (k *keeper) kept() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.files)
}

// account tells an exchange without its tokens.
func account(a *asker, x *client.Exchange, v verdict, at time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "What is wrong  %s: %s\nAsked by       %s\nAt             %s\n", v.what, v.why, a, at.UTC().Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "\n%s %s\n", verbOf(x), x.URL)
	writeHeader(&b, x.Sent)
	fmt.Fprintf(&b, "\n%s\n\n%d %s\n", clipped(x.Request), x.Status, http.StatusText(x.Status))
	writeHeader(&b, x.Header)
	fmt.Fprintf(&b, "\n%s\n", clipped(x.Body))
	return redact(a.without(b.Bytes()))
}

// shortest is the length from which a header's value may be a secret.
const shortest = 8

// without takes out a's own token, and what headers the run was given: an answer
// may repeat them.
func (a *asker) without(text []byte) []byte {
	for _, values := range a.cfg.Header {
		for _, value := range values {
			if len(value) >= shortest {
				text = bytes.ReplaceAll(text, []byte(value), []byte("(removed)"))
			}
		}
	}
	if a.authorize == nil {
		return text
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	header, err := a.authorize(ctx)
	if _, token, ok := strings.Cut(header, " "); err == nil && ok && token != "" {
		return bytes.ReplaceAll(text, []byte(token), []byte("(removed)"))
	}
	return text
}

// verbOf: only GET and DELETE have no message.
func verbOf(x *client.Exchange) string {
	if x.Method == "" && len(x.Request) == 0 {
		return "GET or DELETE"
	}
	return http.MethodPost
}

// secretHeaders are never written. Those that the run was given are not among
// what the client shows.
var secretHeaders = regexp.MustCompile(`(?i)authorization|cookie|token|secret|key|password`)

func writeHeader(b *bytes.Buffer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if secretHeaders.MatchString(name) {
				value = "(removed)"
			}
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
}

func clipped(body []byte) []byte {
	if len(body) <= maxKeptBody {
		return body
	}
	return fmt.Appendf(bytes.Clone(body[:maxKeptBody]), "… (%d bytes in all)", len(body))
}

// secrets are what looks like a credential: after a scheme, as the value of a
// member or parameter that is called so, of a well-known form, or in the
// userinfo of a URL.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b((?:sentry-)?bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`),
	regexp.MustCompile(`(?i)("?[a-z_-]*(?:token|secret|password|api[_-]?key)"?\s*[:=]\s*"?)[^"\s&,}]{8,}`),
	regexp.MustCompile(`()\b(?:sntry[a-z]*_|rh[a-z]*_|eyJ)[A-Za-z0-9._~+/=-]{16,}`),
	regexp.MustCompile(`(://)[^/@\s"]+(@)`),
}

func redact(text []byte) []byte {
	for _, s := range secrets {
		text = s.ReplaceAll(text, []byte("${1}(removed)${2}"))
	}
	return text
}
