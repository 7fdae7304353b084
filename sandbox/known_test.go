package sandbox

import (
	"testing"
	"time"
)

// TestKnownKeys: what another process changes is seen after a second, and what
// was read before a change is not kept after it.
func TestKnownKeys(t *testing.T) {
	var k knownKeys
	key, found := dsnKey{"k", 1}, liveKey{project: project{id: 1}}
	if _, ok, _ := k.get(key, noon); ok {
		t.Error("there is a key that nobody added")
	}
	_, _, epoch := k.get(key, noon)
	k.add(key, found, noon, epoch)
	for _, tt := range []struct {
		name string
		key  dsnKey
		at   time.Time
		want bool
	}{
		{"at once", key, noon, true},
		{"after almost a second", key, noon.Add(knownFor - 1), true},
		{"after a second", key, noon.Add(knownFor), false},
		{"before, as a clock that was set back has it", key, noon.Add(-1), false},
		{"of another project", dsnKey{"k", 2}, noon, false},
	} {
		if got, ok, _ := k.get(tt.key, tt.at); ok != tt.want || ok && got.id != 1 {
			t.Errorf("%s: %+v, %t", tt.name, got, ok)
		}
	}
	k.forget()
	k.add(key, found, noon, epoch)
	if _, ok, _ := k.get(key, noon); ok {
		t.Error("kept what was read before it was forgotten")
	}
	_, _, epoch = k.get(key, noon)
	for i := range int64(3 * maxKnown) {
		k.add(dsnKey{"k", i}, found, noon, epoch)
	}
	if len(k.keys) > maxKnown {
		t.Errorf("%d keys are kept", len(k.keys))
	}
}
