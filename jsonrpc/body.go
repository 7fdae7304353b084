package jsonrpc

import "bytes"

// Body is the body of a request that has been read. Whoever knows it need not
// read it again; whatever is behind a standard interface can.
type Body struct {
	bytes.Reader
	Whole []byte // not to be changed
}

// NewBody returns the body as it was before it was read.
func NewBody(whole []byte) *Body {
	b := &Body{Whole: whole}
	b.Reset(whole)
	return b
}

// Close does nothing: it is in memory.
func (*Body) Close() error { return nil }
