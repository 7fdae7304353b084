package tools

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"roundhouse/constraint"
)

// stateLife is how long a person may take to answer.
const stateLife = 15 * time.Minute

// RequestStates seals what a client carries from a question of ours to its
// answer (MCP requestState). A state is good for the user, the context, the
// tool and the arguments that it was made for, and for stateLife. It is safe for
// concurrent use.
type RequestStates struct {
	aead cipher.AEAD
	now  func() time.Time
}

// NewRequestStates returns states that open wherever secret, of 32 bytes, is
// the same. Nil makes one for this process alone.
func NewRequestStates(secret []byte) (*RequestStates, error) {
	if secret == nil {
		secret = make([]byte, 32)
		rand.Read(secret)
	}
	if len(secret) != 32 {
		return nil, fmt.Errorf("request states: a secret of %d bytes, want 32", len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("request states: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("request states: %w", err)
	}
	return &RequestStates{aead: aead, now: time.Now}, nil
}

// call is what a state is bound to.
type call struct {
	key       constraint.Key
	tool      string
	arguments []byte
}

// binding is authenticated with a state and not in it. No two calls share one:
// the identity has a fixed length, and the arguments are hashed.
func (c call) binding() []byte {
	sum := sha256.Sum256(c.arguments)
	b := []byte("roundhouse requestState 1\x00" + c.key.Identity())
	b = append(b, sum[:]...)
	return append(b, c.tool...)
}

func (s *RequestStates) seal(c call) string {
	expires := binary.BigEndian.AppendUint64(nil, uint64(s.now().Add(stateLife).Unix()))
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, expires, c.binding()))
}

// errState is the one error of open: whoever tries another's state learns
// nothing from it.
var errState = errors.New("not a state of this call")

func (s *RequestStates) open(state string, c call) error {
	sealed, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil {
		return errState
	}
	expires, err := s.aead.Open(nil, nil, sealed, c.binding())
	if err != nil || len(expires) != 8 || s.now().Unix() > int64(binary.BigEndian.Uint64(expires)) {
		return errState
	}
	return nil
}
