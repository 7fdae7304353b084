package rival

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"roundhouse/sentry"
)

const (
	maxHolders = 100_000
	maxLine    = 4096
)

// ReadHolders reads lines of three words: a bearer token, the user's id in
// Sentry and the user's Sentry token. Empty lines and those that begin with #
// are passed over. An error names the line and none of the words.
func ReadHolders(from io.Reader) (map[string]Holder, error) {
	holders := map[string]Holder{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("line %d: want a bearer token, a user's id and a Sentry token", n)
		}
		if _, twice := holders[words[0]]; twice {
			return nil, fmt.Errorf("line %d: this bearer token has been given before", n)
		}
		if len(holders) == maxHolders {
			return nil, fmt.Errorf("line %d: more than %d holders", n, maxHolders)
		}
		holders[words[0]] = Holder{User: words[1], Sentry: sentry.NewToken(words[2])}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return holders, nil
}
