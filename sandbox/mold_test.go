package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A mold makes numbered envelopes at next to no cost, so that who sends them does
// not take the time of who is measured: it is one of them, of which only ids and
// whole seconds are changed, in their places.
type mold struct {
	text   []byte
	second int64
	places []place
}

// place is where a text stands that is made of the number, or of the time.
type place struct {
	at   int
	text func(n int, later int64) string
}

// moldNumber is large, for its digits to stand nowhere else.
const moldNumber = 3 * 0x1234567

// newMolds makes so many molds of each kind of envelope.
func newMolds(count int, at time.Time) []mold {
	molds := make([]mold, 3*count)
	for i := range molds {
		m := &molds[i]
		*m = mold{text: []byte(sent(moldNumber+i, at.Truncate(time.Second))), second: at.Unix()}
		m.find(moldNumber+i, func(n int, _ int64) string { return sentID(n) })
		m.find(moldNumber+i, func(n int, _ int64) string { return sentTrace(n) })
		m.find(moldNumber+i, func(n int, _ int64) string { return fmt.Sprintf("%016x", n+1) })
		m.find(moldNumber+i, func(n int, _ int64) string { return fmt.Sprintf("1%013x", n) })
		for s := range int64(3) {
			m.find(moldNumber+i, func(_ int, later int64) string { return strconv.FormatInt(m.second+s+later, 10) + "." })
		}
	}
	return molds
}

func (m *mold) find(n int, text func(int, int64) string) {
	for from := 0; ; {
		i := bytes.Index(m.text[from:], []byte(text(n, 0)))
		if i < 0 {
			return
		}
		m.places = append(m.places, place{from + i, text})
		from += i + 1
	}
}

// cast appends the envelope of a number to b.
func (m *mold) cast(b []byte, n int, at time.Time) []byte {
	start := len(b)
	b = append(b, m.text...)
	for _, p := range m.places {
		copy(b[start+p.at:], p.text(n, at.Unix()-m.second))
	}
	return b
}

func TestMold(t *testing.T) {
	at := noon.Truncate(time.Second)
	for i, m := range newMolds(1, at) {
		n := 3*1000 + i
		// What the number decides besides ids is that of the mold.
		want := strings.NewReplacer(sentID(moldNumber+i), sentID(n)).Replace(sent(moldNumber+i, at.Add(time.Minute)))
		for _, p := range [][2]string{{sentTrace(moldNumber + i), sentTrace(n)}, {fmt.Sprintf("%016x", moldNumber+i+1), fmt.Sprintf("%016x", n+1)},
			{fmt.Sprintf("1%013x", moldNumber+i), fmt.Sprintf("1%013x", n)}} {
			want = strings.ReplaceAll(want, p[0], p[1])
		}
		if got := string(m.cast(nil, n, at.Add(time.Minute))); got != want {
			t.Errorf("kind %d: %s\nwant %s", i, got, want)
		}
	}
}

// sender posts envelopes over one connection.
type sender struct {
	conn  net.Conn
	in    *bufio.Reader
	out   []byte
	molds []mold
	body  []byte
}

func dial(base string, molds []mold) (*sender, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return nil, err
	}
	return &sender{conn: conn, in: bufio.NewReader(conn), molds: molds}, nil
}

// send posts the numbered envelope and waits for the answer.
func (s *sender) send(to string, n int) error {
	s.body = s.molds[n%len(s.molds)].cast(s.body[:0], n, time.Now())
	s.out = fmt.Appendf(s.out[:0], "POST %s HTTP/1.1\r\nHost: sandbox\r\nContent-Length: %d\r\n\r\n", to, len(s.body))
	if _, err := s.conn.Write(append(s.out, s.body...)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("envelope %d: %s %s", n, resp.Status, answer)
	}
	return err
}
