package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

var errTooLarge = errors.New("the answer has more than 4 MiB")

func isStream(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}

// read reads the body and takes it apart. An error is that the body broke off.
func (x *Exchange) read(resp *http.Response) error {
	x.buffer = buffers.Get().(*bytes.Buffer)
	if n := resp.ContentLength; n > 0 && n <= maxBody {
		x.buffer.Grow(int(n) + bytes.MinRead)
	}
	n, err := x.buffer.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	x.Body = x.buffer.Bytes()
	switch {
	case n > maxBody:
		x.Body, x.Malformed = x.Body[:maxBody], errTooLarge
	case isStream(resp):
		for rest := x.Body; x.Malformed == nil && len(rest) > 0; {
			var data []byte
			if _, data, rest = cutEvent(rest); len(data) > 0 {
				x.add(data)
			}
		}
	case len(bytes.TrimSpace(x.Body)) > 0:
		x.add(x.Body)
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", bare(err))
	}
	return nil
}

// add takes a message in, in its place.
func (x *Exchange) add(data []byte) {
	m, err := parse(data)
	if err != nil {
		x.Malformed = err
		return
	}
	switch done := x.Answer.Result != nil || x.Answer.Error != nil; {
	case done:
		x.Extra = append(x.Extra, m)
	case m.Method != "":
		x.Notifications = append(x.Notifications, m)
	case m.Result == nil && m.Error == nil:
		x.Malformed = errors.New("a message has neither a method nor a result nor an error")
	default:
		x.Answer = m
	}
}

// cutEvent takes the first event off a stream, with its id and data. An event
// that the stream broke off has no data: SSE has it dropped.
func cutEvent(b []byte) (id string, data, rest []byte) {
	several := false
	for len(b) > 0 {
		line, after, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			return "", nil, nil
		}
		b = after
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			return id, data, b
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case string(field) == "id":
			id = string(value)
		case string(field) == "data" && data == nil:
			data = value
		case string(field) == "data":
			if !several { // do not write over what is behind
				data, several = bytes.Clone(data), true
			}
			data = append(append(data, '\n'), value...)
		}
	}
	return "", nil, nil
}

// headerValue is a name as Mcp-Name has it: in base64 where a header cannot
// hold it as it is.
func headerValue(name string) string {
	plain := !strings.HasPrefix(name, " ") && !strings.HasSuffix(name, " ") && !strings.HasPrefix(name, "=?base64?") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
	if plain {
		return name
	}
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(name)) + "?="
}

// Reason tells in a word why there was no answer, so that it can be counted.
func Reason(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, errSignIn):
		return "sign-in"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "connection closed"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "out of sockets"
	}
	return "network"
}
