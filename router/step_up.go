package router

import (
	"net/http"
	"strings"

	"roundhouse/constraint"
)

// admitCall answers 403 to a call that the token's skills do not allow, with
// those that would (RFC 6750 §3.1): a client then lets the user sign in again,
// for more.
func (rt *router) admitCall(w http.ResponseWriter, resource string, key constraint.Key, caller constraint.Caller, body []byte) (goOn bool) {
	if rt.StepUp == nil || body == nil {
		return true
	}
	needed := rt.StepUp(key, caller, body)
	if needed == nil {
		return true
	}
	const message = "the sign-in does not include the skill that this needs"
	w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+strings.Join(needed, " ")+
		`", resource_metadata="`+rt.metadataURL(resource)+`", error_description="`+message+`"`)
	writeError(w, http.StatusForbidden, message+": "+needed[len(needed)-1])
	return false
}
