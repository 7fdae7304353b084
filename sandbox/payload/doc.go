// Package payload reads what SDKs send: it takes envelopes apart, gives the items
// of many SDKs and ages one shape, takes the secrets out, flattens what can be
// searched into attributes, and decides which events are one issue.
//
// All of it is computed from the bytes and the time of arrival. Nothing here
// keeps state or knows the database, and every function is safe for concurrent
// use as long as nobody else touches the object it is given.
//
// Members of an object may be missing or have any type: what does not fit is
// left out, and only what cannot be stored at all is an error.
package payload
