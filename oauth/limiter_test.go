package oauth

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2001, 2, 3, 12, 0, 0, 0, time.UTC)
	l := NewLimiter(Limit{PerMinute: 6, Burst: 3}, func() time.Time { return now })
	take := func(source string, want time.Duration) {
		t.Helper()
		var addr netip.Addr
		if source != "" {
			addr = netip.MustParseAddr(source)
		}
		if got := l.Take(addr); got != want {
			t.Errorf("at %s, %q waits %v, want %v", now.Format(time.TimeOnly), source, got, want)
		}
	}
	for range 3 {
		take("192.0.2.1", 0)
	}
	take("192.0.2.1", 10*time.Second)
	take("192.0.2.1", 10*time.Second) // asking costs nothing
	take("192.0.2.2", 0)
	take("", 0)

	for _, host := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"} {
		take(host, 0)
	}
	take("2001:db8::3", 10*time.Second) // the same customer
	take("2001:db8:0:1::3", 0)

	for i := range 3*16 - 4 { // what is left to the network above
		take(fmt.Sprintf("2001:db8:0:%x::1", 0x100+i), 0)
	}
	take("2001:db8:0:ff::1", 10*time.Second/16)
	take("2001:db8:1::1", 0)

	now = now.Add(10 * time.Second)
	take("192.0.2.1", 0)
	take("192.0.2.1", 10*time.Second)
	now = now.Add(time.Hour) // no more than the burst comes back
	for range 3 {
		take("192.0.2.1", 0)
	}
	take("192.0.2.1", 10*time.Second)
}

func TestLimiter_negative(t *testing.T) {
	l := NewLimiter(Limit{PerMinute: -1}, time.Now)
	for range 1000 {
		if l.Take(netip.Addr{}) != 0 {
			t.Fatal("a limit that limits nothing did")
		}
	}
}

// Hundreds of sources that are refused must not get others refused.
func TestLimiter_sharedSlots(t *testing.T) {
	now := time.Unix(0, 0)
	l := NewLimiter(Limit{PerMinute: 1, Burst: 1}, func() time.Time { return now })
	for i := range 200 {
		l.Take(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	refused := 0
	for i := range 1000 {
		if l.Take(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})) != 0 {
			refused++
		}
	}
	if refused > 50 {
		t.Errorf("%d of 1000 sources are refused for what others did", refused)
	}
}
