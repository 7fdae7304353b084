package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rawConn is a client that takes next to no CPU time: one connection, one
// request, again and again.
type rawConn struct {
	net.Conn
	in      *bufio.Reader
	request []byte

	session string // of the last answer that named one
	body    []byte // of the last answer
}

// connect opens the connections, each in a session of its own where there are
// sessions.
func (c *contender) connect(b *testing.B, call toolCall) (conns []*rawConn) {
	for range comparedConns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		rc := &rawConn{Conn: conn, in: bufio.NewReaderSize(conn, 32<<10)}
		session := ""
		if !call.modern() {
			rc.request = c.request(call, "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+call.era+
				`","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`)
			if err := rc.call(); err != nil {
				b.Fatal(err)
			}
			session = rc.session
		}
		meta := ""
		if call.modern() {
			meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"` + call.era + `","io.modelcontextprotocol/clientCapabilities":{}}`
		}
		rc.request = c.request(call, session, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+call.tool+`","arguments":`+call.arguments+meta+`}}`)
		if err := rc.call(); err != nil {
			b.Fatal(err)
		}
		if !bytes.Contains(rc.body, []byte(`"result":{`)) || bytes.Contains(rc.body, []byte(`"isError":true`)) {
			b.Fatalf("%s: %s", c.name, rc.body)
		}
		conns = append(conns, rc)
	}
	return conns
}

func (c *contender) request(call toolCall, session, body string) []byte {
	var h strings.Builder
	fmt.Fprintf(&h, "POST /mcp%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"Mcp-Protocol-Version: %s\r\nContent-Length: %d\r\n", comparedPlace, strings.TrimPrefix(c.url, "http://"), call.era, len(body))
	if c.token != "" {
		fmt.Fprintf(&h, "Authorization: Bearer %s\r\n", c.token)
	}
	if session != "" {
		fmt.Fprintf(&h, "Mcp-Session-Id: %s\r\n", session)
	}
	if call.modern() {
		fmt.Fprintf(&h, "Mcp-Method: tools/call\r\nMcp-Name: %s\r\n", call.tool)
	}
	return []byte(h.String() + "\r\n" + body)
}

var errAnswer = errors.New("not the answer to be had")

// call sends the request and reads the answer.
func (rc *rawConn) call() error {
	if _, err := rc.Write(rc.request); err != nil {
		return err
	}
	status, err := rc.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	if err := rc.readAnswer(); err != nil {
		return err
	}
	if !good || bytes.Contains(rc.body, []byte(`"isError":true`)) {
		return fmt.Errorf("%w: %.300s", errAnswer, rc.body)
	}
	return nil
}

// readAnswer reads the header and the body, of whichever length.
func (rc *rawConn) readAnswer() error {
	size, chunked := 0, false
	for {
		line, err := rc.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, more := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(": "))
		if !more {
			break
		}
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			size, _ = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Mcp-Session-Id")):
			rc.session = string(value)
		}
	}
	rc.body = rc.body[:0]
	if !chunked {
		return rc.read(size)
	}
	for {
		line, err := rc.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return err
		}
		if err := rc.read(int(n)); err != nil {
			return err
		}
		if _, err := rc.in.Discard(2); err != nil || n == 0 {
			return err
		}
	}
}

// read adds n bytes to the body.
func (rc *rawConn) read(n int) error {
	at := len(rc.body)
	rc.body = slices.Grow(rc.body, n)[:at+n]
	_, err := io.ReadFull(rc.in, rc.body[at:])
	return err
}
