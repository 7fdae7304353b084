package sandbox

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"roundhouse/sandbox/payload"
)

const (
	maxCompressed   = 10 << 20
	maxDecompressed = 50 << 20
	smallBody       = 256 << 10 // that anybody may have in memory
	smallDecoded    = 1 << 20
	bodyTime        = 30 * time.Second

	maxUploads   = 8 // larger bodies on their way
	maxFromOne   = 4 // of these, from one address
	maxReceiving = 8 // bodies being decoded and read
	maxLarge     = 1 // of these, how many may be large

	maxStoring = 32        // small ones that are read, and wait to be stored together
	maxHeld    = 128 << 10 // what is small: as it was sent, and as it is stored
)

// intake bounds what bodies take up, however many come at a time, and in a way
// that those who send slowly or much do not keep the others waiting. Gates are
// entered in this order.
type intake struct {
	senders                   *gates // by address
	uploads, receiving, large gate
	storing                   gate
	patience                  time.Duration // with a body
}

func newIntake() intake {
	return intake{newGates(maxFromOne), make(gate, maxUploads), make(gate, maxReceiving), make(gate, maxLarge), make(gate, maxStoring), bodyTime}
}

// takeBody reads and decodes the body. The caller says when it is done with it,
// once or more often.
func (s *Sandbox) takeBody(w http.ResponseWriter, r *http.Request) (raw []byte, done func(), err error) {
	var inside []func()
	leave := func() {
		for _, f := range inside {
			f()
		}
		inside = nil // it may be called again
	}
	entered := func(f func(), err error) error {
		if err == nil {
			inside = append(inside, f)
		}
		return err
	}
	enter := func(g gate) error { return entered(g.enter(r.Context())) }
	defer func() {
		if err != nil {
			leave()
		}
	}()
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	sent, err := s.intake.upload(w, r, func() error {
		if err := entered(s.intake.senders.enter(r.Context(), remoteIP(r))); err != nil {
			return err
		}
		return enter(s.intake.uploads)
	})
	if err != nil {
		return nil, nil, badEncoding(encoding, err)
	}
	if err := enter(s.intake.receiving); err != nil {
		return nil, nil, err
	}
	if raw, err = decode(encoding, sent, func() error { return enter(s.intake.large) }); err != nil {
		return nil, nil, badEncoding(encoding, err)
	}
	return raw, leave, nil
}

// decode asks before it takes up more than a little, and then counts first: a
// bomb is found out at no cost but time.
func decode(encoding string, sent []byte, ask func() error) ([]byte, error) {
	if encoding == "" || encoding == "identity" {
		if len(sent) > smallDecoded {
			return sent, ask()
		}
		return sent, nil
	}
	body, err := decoder(encoding, bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var small bytes.Buffer
	size, err := io.Copy(&small, io.LimitReader(body, smallDecoded+1))
	if err != nil || size <= smallDecoded {
		return small.Bytes(), err
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(body, maxDecompressed))
	if size += rest; err != nil {
		return nil, err
	}
	if size > maxDecompressed {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes when decoded", maxDecompressed)
	}
	if err := ask(); err != nil {
		return nil, err
	}
	return decodeAll(encoding, sent, size)
}

func decodeAll(encoding string, sent []byte, size int64) ([]byte, error) {
	body, err := decoder(encoding, bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw := make([]byte, size)
	_, err = io.ReadFull(body, raw)
	return raw, err
}

// upload reads the body as it was sent, for so long and no longer. What is not
// small asks before it takes up more.
func (in intake) upload(w http.ResponseWriter, r *http.Request, ask func() error) ([]byte, error) {
	if r.ContentLength > maxCompressed {
		return nil, &http.MaxBytesError{Limit: maxCompressed}
	}
	// An error says that there is no connection to wait for.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(in.patience))
	body, sent := http.MaxBytesReader(w, r.Body, maxCompressed), bytes.Buffer{}
	n, err := io.Copy(&sent, io.LimitReader(body, smallBody+1))
	if err == nil && n > smallBody {
		if err = ask(); err == nil {
			control.SetReadDeadline(time.Now().Add(in.patience)) // the wait was ours
			_, err = io.Copy(&sent, body)
		}
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return nil, refuse(http.StatusRequestTimeout, "the body did not arrive within %s", in.patience)
	}
	control.SetReadDeadline(time.Time{})
	return sent.Bytes(), err
}

func badEncoding(encoding string, err error) error {
	var tooLarge *http.MaxBytesError
	var refused *apiError
	if errors.As(err, &tooLarge) || errors.As(err, &refused) || errors.Is(err, context.Canceled) {
		return err
	}
	return badRequest("read the body (Content-Encoding %s): %v", strconv.Quote(payload.Clip(encoding, 50)), err)
}

func decoder(encoding string, body io.Reader) (io.ReadCloser, error) {
	switch encoding {
	case "", "identity":
		return io.NopCloser(body), nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate":
		return zlib.NewReader(body)
	case "br":
		return io.NopCloser(brotli.NewReader(body)), nil
	case "zstd":
		d, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecompressed), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("unknown; send identity, gzip, deflate, br or zstd")
}
