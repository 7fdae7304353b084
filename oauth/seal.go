package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
)

const (
	sealVersion = 1
	keyIDSize   = 8
	headerSize  = 1 + keyIDSize
)

var errSealed = errors.New("sealed value is damaged, or was sealed for another place or with another key")

// sealer encrypts what is kept at rest: AES-256-GCM with a random nonce. A
// sealed value begins with a version and the id of its key, which tells what
// opens it.
type sealer struct{ ring *Keyring }

func newSealer(ring *Keyring) *sealer { return &sealer{ring} }

// seal encrypts v as JSON. The place, such as a row's key, is authenticated:
// a value that is copied to another row does not open there.
func (s *sealer) seal(place string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s.ring.Seal(place, plain)
}

// open decrypts into v what seal made for the same place.
func (s *sealer) open(place string, sealed []byte, v any) error {
	plain, err := s.ring.Open(place, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("open sealed value: %w", err)
	}
	return nil
}

// Seal encrypts plain for a place, which is authenticated: it opens nowhere
// else. What others than this package seal is not sealed anew when keys are
// rotated, and does not open once the old key is gone.
func (r *Keyring) Seal(place string, plain []byte) ([]byte, error) {
	key := r.now().first()
	header := append([]byte{sealVersion}, key.id[:]...)
	return key.aead.Seal(header, nil, plain, bound(header, place)), nil
}

// Open decrypts what Seal made for the same place.
func (r *Keyring) Open(place string, sealed []byte) ([]byte, error) {
	id, ok := sealedWith(sealed)
	if !ok {
		return nil, errSealed
	}
	key, ok := r.now().byID(id)
	if !ok {
		return nil, errSealed
	}
	plain, err := key.aead.Open(nil, nil, sealed[headerSize:], bound(sealed[:headerSize], place))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// sealedWith returns the id of the key that a value is sealed with.
func sealedWith(sealed []byte) (id [keyIDSize]byte, ok bool) {
	if len(sealed) < headerSize || sealed[0] != sealVersion {
		return id, false
	}
	return [keyIDSize]byte(sealed[1:headerSize]), true
}

// bound returns what is authenticated beside the value.
func bound(header []byte, place string) []byte {
	return append(append(make([]byte, 0, len(header)+len(place)), header...), place...)
}
