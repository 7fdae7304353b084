package actors

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

// ServeStdio serves key's context over a pair of streams until in ends or ctx
// does, with the caller in ctx. mcp-go has one stdio session per process, so
// only one may run at a time. The errors are those of Acquire.
func (n *Node) ServeStdio(ctx context.Context, key constraint.Key, in io.Reader, out io.Writer) error {
	l, err := n.lease(ctx, key)
	if err != nil {
		return err
	}
	defer l.release()
	ctx, cancel := context.WithCancel(constraint.With(ctx, key))
	defer cancel()
	defer context.AfterFunc(l.streams, cancel)()
	open := newOpenCalls(ctx, in, out)
	stdio := server.NewStdioServer(l.transport.Server())
	stdio.SetContextFunc(l.transport.WithSubscriptions)
	return stdio.Listen(ctx, open, open)
}

// lastAnswers is how long the end of the input waits for answers.
const lastAnswers = 30 * time.Second

// openCalls are both streams of a stdio session. mcp-go cancels running calls
// when its input ends, so that `echo … | roundhouse stdio` would get no answer;
// this input ends when every request read from it has been answered.
type openCalls struct {
	ctx context.Context
	in  *bufio.Reader
	out io.Writer

	unread []byte // of the last line; only Read touches it

	mu       sync.Mutex // guards the rest
	ids      map[string]bool
	answered chan struct{} // room for one: ids became empty
}

func newOpenCalls(ctx context.Context, in io.Reader, out io.Writer) *openCalls {
	return &openCalls{ctx: ctx, in: bufio.NewReader(in), out: out, ids: map[string]bool{}, answered: make(chan struct{}, 1)}
}

// message is what tells requests, answers and cancellations apart.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		RequestID json.RawMessage `json:"requestId"`
	} `json:"params"`
}

func (o *openCalls) Read(b []byte) (int, error) {
	if len(o.unread) == 0 {
		line, err := o.in.ReadBytes('\n')
		if len(line) == 0 {
			if err == io.EOF {
				o.waitForAnswers()
			}
			return 0, err
		}
		o.note(line)
		o.unread = line
	}
	n := copy(b, o.unread)
	o.unread = o.unread[n:]
	return n, nil
}

// Write is called by mcp-go once per message.
func (o *openCalls) Write(b []byte) (int, error) {
	n, err := o.out.Write(b)
	o.note(b)
	return n, err
}

func (o *openCalls) note(line []byte) {
	var m message
	if json.Unmarshal(line, &m) != nil {
		return // mcp-go says what is wrong with it
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case m.Method == "notifications/cancelled": // may stay without an answer
		delete(o.ids, string(m.Params.RequestID))
	case m.Method != "" && len(m.ID) > 0:
		o.ids[string(m.ID)] = true
	case m.Method == "":
		delete(o.ids, string(m.ID))
	}
	if len(o.ids) == 0 {
		select {
		case o.answered <- struct{}{}:
		default:
		}
	}
}

func (o *openCalls) waitForAnswers() {
	enough := time.NewTimer(lastAnswers)
	defer enough.Stop()
	for {
		o.mu.Lock()
		open := len(o.ids)
		o.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-o.answered:
		case <-o.ctx.Done():
			return
		case <-enough.C:
			return
		}
	}
}
