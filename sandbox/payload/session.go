package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// SessionState is how a session went. One that went worse is larger: a session
// never recovers.
type SessionState int

const (
	Healthy   SessionState = iota
	Errored                // an error was handled
	Unhandled              // one was not, and the session went on
	Abnormal               // it ended, nobody knows how
	Crashed
	SessionStates int = iota
)

const maxSessionCount = 1e9 // of one state in one aggregate

// Sessions are one session or several that SDKs tell of together.
type Sessions struct {
	ID                   string // 32 hex digits of a single session that may be told of again; "" for others
	User                 string // a digest of whose they are; "" when not known
	Release, Environment string
	Started              time.Time
	Counts               [SessionStates]int64
}

// sessionsOf reads what both forms have in common; ok is false without a
// release, since nobody would know whose health it is.
func sessionsOf(o Object) (s Sessions, ok bool) {
	attrs := AsObject(o["attrs"])
	s.Release = Clip(ScrubText(Text(attrs["release"])), 200)
	if s.Environment = Clip(ScrubText(Text(attrs["environment"])), 64); s.Environment == "" {
		s.Environment = "production"
	}
	return s, s.Release != ""
}

// ParseSession reads an update of a single session; ok is false for one that
// cannot be counted.
func ParseSession(raw []byte, now time.Time) (s Sessions, ok bool, err error) {
	o, err := ParseObject(raw)
	if err != nil {
		return s, false, err
	}
	if s, ok = sessionsOf(o); !ok {
		return s, false, nil
	}
	if sid := Text(o["sid"]); sid != "" {
		if s.ID = HexID(sid, 32); s.ID == "" {
			return s, false, errors.New("sid is not 32 hex digits")
		}
	}
	started := o["started"]
	if started == nil {
		started = o["timestamp"]
	}
	s.Started, s.User = EventTime(started, now), digestOf(o["did"])
	failures, _ := Number(o["errors"])
	s.Counts[stateOf(Text(o["status"]), failures)] = 1
	return s, true, nil
}

func stateOf(status string, failures float64) SessionState {
	switch status {
	case "crashed":
		return Crashed
	case "abnormal":
		return Abnormal
	case "unhandled":
		return Unhandled
	case "errored":
		return Errored
	}
	if failures > 0 {
		return Errored
	}
	return Healthy
}

// ParseSessions reads the counts of many sessions.
func ParseSessions(raw []byte, now time.Time) ([]Sessions, error) {
	o, err := ParseObject(raw)
	if err != nil {
		return nil, err
	}
	common, ok := sessionsOf(o)
	list := Objects(o["aggregates"])
	if len(list) > maxContainerItems {
		return nil, errors.New("too many aggregates")
	}
	var out []Sessions
	for _, a := range list {
		s := common
		s.Started, s.User = EventTime(a["started"], now), digestOf(a["did"])
		for name, state := range map[string]SessionState{"exited": Healthy, "errored": Errored, "unhandled": Unhandled, "abnormal": Abnormal, "crashed": Crashed} {
			if n, isNumber := Number(a[name]); isNumber && n >= 1 && n <= maxSessionCount {
				s.Counts[state] = int64(n)
			}
		}
		if ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// Worst is the state of the session that went worst.
func (s Sessions) Worst() SessionState {
	worst := Healthy
	for state, n := range s.Counts {
		if n > 0 {
			worst = SessionState(state)
		}
	}
	return worst
}

// digestOf stands for a user, of whom only that it is the same one matters.
func digestOf(did any) string {
	s := Text(did)
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
