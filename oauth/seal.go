package oauth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	sealVersion = 1
	keyIDSize   = 8
)

var errSealed = errors.New("sealed value is damaged, or was sealed for another place or with another key")

// sealer encrypts what is kept at rest: AES-256-GCM with a random nonce. A
// sealed value begins with a version and the id of its key, so that a later
// version can hold several keys and tell which one opens it.
type sealer struct {
	keyID []byte
	aead  cipher.AEAD
}

func newSealer(key Key) (*sealer, error) {
	block, err := aes.NewCipher(key.derive("seal"))
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	return &sealer{keyID: key.derive("key id")[:keyIDSize], aead: aead}, nil
}

// seal encrypts v as JSON. The place, such as a row's key, is authenticated:
// a value that is copied to another row does not open there.
func (s *sealer) seal(place string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	header := s.header()
	return s.aead.Seal(header, nil, plain, append(header, place...)), nil
}

// open decrypts into v what seal made for the same place.
func (s *sealer) open(place string, sealed []byte, v any) error {
	header := s.header()
	body, ok := bytes.CutPrefix(sealed, header)
	if !ok {
		return errSealed
	}
	plain, err := s.aead.Open(nil, nil, body, append(header, place...))
	if err != nil {
		return errSealed
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("open sealed value: %w", err)
	}
	return nil
}

// header returns a fresh slice without spare capacity: seal appends to it
// twice.
func (s *sealer) header() []byte {
	header := make([]byte, 0, 1+keyIDSize)
	header = append(header, sealVersion)
	return append(header, s.keyID...)
}
