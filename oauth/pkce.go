package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// checkChallenge accepts a PKCE challenge (RFC 7636) by S256 only: "plain"
// would show the verifier to whoever sees the authorization request.
func checkChallenge(challenge, method string) error {
	if challenge == "" {
		return invalidRequest("code_challenge is missing: PKCE is required")
	}
	if method != "S256" {
		return invalidRequest("code_challenge_method must be S256")
	}
	sum, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil || len(sum) != sha256.Size {
		return invalidRequest("code_challenge is not the base64url form of a SHA-256")
	}
	return nil
}

// checkVerifier checks the form of a verifier: 43 to 128 unreserved
// characters (RFC 7636 §4.1).
func checkVerifier(verifier string) error {
	if len(verifier) < 43 || len(verifier) > 128 {
		return invalidRequest("code_verifier must have 43 to 128 characters")
	}
	for i := range len(verifier) {
		c := verifier[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~':
		default:
			return invalidRequest("code_verifier holds a character that is not allowed")
		}
	}
	return nil
}

func verifierMatches(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
