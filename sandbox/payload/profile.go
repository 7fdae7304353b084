package payload

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxSamples   = 50_000 // and stacks, and frames
	maxFrameRefs = 5_000_000
)

// Profile is one profile of a transaction (sample format 1), or one chunk of
// what a profiler recorded all the time (format 2).
type Profile struct {
	ID       string // of the profile, or of the chunk
	Profiler string // whose chunk it is; "" for a transaction's profile
	Start    time.Time
	End      time.Time
	About    Object // all but the samples, scrubbed
	Samples  Samples
}

// Samples are stacks seen at moments. A stack lists its frames by index, the
// innermost first.
type Samples struct {
	Frames  []Object          `json:"frames"`
	Stacks  [][]int           `json:"stacks"`
	Samples []Sample          `json:"samples"`
	Threads map[string]Object `json:"thread_metadata"`
}

// Sample is a stack that a thread was seen with.
type Sample struct {
	Stack   int     `json:"stack_id"`
	Thread  digits  `json:"thread_id"`
	Elapsed *digits `json:"elapsed_since_start_ns,omitempty"` // format 1
	Time    float64 `json:"timestamp,omitempty"`              // format 2, in Unix seconds
}

// digits is a whole number that some SDKs send as text, or with a fraction.
type digits string

func (d *digits) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0 && f < 1<<63) {
			return fmt.Errorf("%s is not a number from 0", Clip(text, 20))
		}
		text = strconv.FormatInt(int64(f), 10)
	}
	*d = digits(text)
	return nil
}

func (d digits) number() float64 {
	f, _ := strconv.ParseFloat(string(d), 64)
	return f
}

// MarshalJSON gives the time as a number, as clients want it.
func (s Sample) MarshalJSON() ([]byte, error) {
	out := Object{"stack_id": s.Stack, "thread_id": string(s.Thread)}
	if s.Elapsed != nil {
		out["elapsed_since_start_ns"] = json.Number(*s.Elapsed)
	} else {
		out["timestamp"] = s.Time
	}
	return json.Marshal(out)
}

// ErrProfileFormat is the error for formats that are not sampled, such as
// Android's own trace.
var ErrProfileFormat = errors.New("not a profile in sample format 1 or 2")

// ParseProfile reads what an SDK sends as a profile or a chunk of one.
func ParseProfile(raw []byte, now time.Time) (*Profile, error) {
	p, err := readProfile(raw)
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	p.normalize()
	if p.Profiler != "" {
		p.setTimes(EventTime(p.Samples.Samples[0].Time, now))
	} else {
		p.setTimes(EventTime(p.About["timestamp"], now))
	}
	return p, nil
}

// StoredProfile reads a profile's own Body, which began at start.
func StoredProfile(raw []byte, start time.Time) (*Profile, error) {
	p, err := readProfile(raw)
	if err == nil {
		p.setTimes(start)
	}
	return p, err
}

func readProfile(raw []byte) (*Profile, error) {
	about, samples, err := splitProfile(raw)
	if err != nil {
		return nil, err
	}
	p := &Profile{About: about, ID: HexID(about["chunk_id"], 32), Profiler: HexID(about["profiler_id"], 32)}
	switch version := Text(about["version"]); {
	case samples == nil || version != "1" && version != "2":
		return nil, ErrProfileFormat
	case version == "1":
		p.ID, p.Profiler = HexID(cmp.Or(Text(about["event_id"]), Text(about["profile_id"])), 32), ""
	case p.Profiler == "":
		return nil, errors.New("a chunk without a profiler_id of 32 hex digits")
	}
	if p.ID == "" {
		return nil, errors.New("a profile without an event_id, or a chunk without a chunk_id, of 32 hex digits")
	}
	if err := json.Unmarshal(samples, &p.Samples); err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	if len(p.Samples.Samples) == 0 {
		return nil, errors.New("samples: there are none")
	}
	return p, nil
}

// splitProfile keeps the samples as they are: as objects they would take twenty
// times their size.
func splitProfile(raw []byte) (about Object, samples json.RawMessage, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, nil, fmt.Errorf("not a JSON object: %w", err)
	}
	samples = members["profile"]
	delete(members, "profile")
	delete(members, "sampled_profile")
	rest, err := json.Marshal(members)
	if err != nil {
		return nil, nil, err
	}
	about, err = ParseObject(rest)
	return about, samples, err
}

// check tells whether every index and every number can be used.
func (p *Profile) check() error {
	s := p.Samples
	if max(len(s.Samples), len(s.Stacks), len(s.Frames)) > maxSamples {
		return fmt.Errorf("more than %d of them, or of stacks or frames", maxSamples)
	}
	for _, stack := range s.Stacks {
		for _, frame := range stack {
			if frame < 0 || frame >= len(s.Frames) {
				return fmt.Errorf("there is no frame %d", frame)
			}
		}
	}
	refs := 0
	for _, one := range s.Samples {
		switch {
		case one.Stack < 0 || one.Stack >= len(s.Stacks):
			return fmt.Errorf("there is no stack %d", one.Stack)
		case (one.Elapsed != nil) != (p.Profiler == ""):
			return errors.New("those of a transaction have elapsed_since_start_ns, those of a chunk a timestamp")
		}
		if refs += len(s.Stacks[one.Stack]); refs > maxFrameRefs {
			return fmt.Errorf("more than %d frames in all of them", maxFrameRefs)
		}
	}
	return nil
}

func (p *Profile) normalize() {
	Scrub(p.About)
	if first := Objects(p.About["transactions"]); AsObject(p.About["transaction"]) == nil && len(first) > 0 {
		p.About["transaction"] = first[0]
	}
	delete(p.About, "transactions")
	platform := Text(p.About["platform"])
	for i, f := range p.Samples.Frames {
		if f == nil {
			f = Object{}
			p.Samples.Frames[i] = f
		}
		Scrub(f)
		if _, ok := f["in_app"].(bool); !ok {
			f["in_app"] = !isLibrary(cmp.Or(Text(f["abs_path"]), Text(f["filename"]), Text(f["module"])), platform)
		}
	}
	if p.Samples.Threads == nil {
		p.Samples.Threads = map[string]Object{}
	}
	for i := range p.Samples.Samples {
		if one := &p.Samples.Samples[i]; one.Thread == "" { // not said; stored so, it could not be read again
			one.Thread = "0"
		}
	}
	slices.SortStableFunc(p.Samples.Samples, func(a, b Sample) int { return cmp.Compare(a.at(), b.at()) })
}

func (p *Profile) setTimes(start time.Time) {
	first, last := p.Samples.Samples[0].at(), p.Samples.Samples[len(p.Samples.Samples)-1].at()
	if p.Profiler == "" {
		first = 0
	}
	p.Start, p.End = start, start.Add(time.Duration(math.Min(math.Max(last-first, 0), float64(24*time.Hour))))
}

// isLibrary guesses by its path what the SDK did not say.
func isLibrary(path, platform string) bool {
	for _, part := range []string{"node_modules", "site-packages", "dist-packages", "/usr/lib", "/usr/share", "vendor/"} {
		if strings.Contains(path, part) {
			return true
		}
	}
	return platform == "node" && strings.HasPrefix(path, "node:")
}

// at is the sample's moment in nanoseconds: since the profile began, or, in a
// chunk, since 1970.
func (s Sample) at() float64 {
	if s.Elapsed != nil {
		return s.Elapsed.number()
	}
	return s.Time * 1e9
}

// Body is the profile as it is handed out.
func (p *Profile) Body() ([]byte, error) {
	body := Object{"profile": p.Samples}
	for key, v := range p.About {
		body[key] = v
	}
	return json.Marshal(body)
}

// Attrs are what can be searched of a profile.
func (p *Profile) Attrs() Attrs {
	o, a := p.About, Attrs{}
	if p.Profiler == "" {
		a.Set("profile.id", p.ID)
	} else {
		a.Set("profiler.id", p.Profiler)
		a.Set("chunk.id", p.ID)
	}
	a.Set("profile.duration", float64(p.End.Sub(p.Start).Microseconds())/1e3)
	a.Set("precise.start_ts", unixSeconds(p.Start))
	a.Set("precise.finish_ts", unixSeconds(p.End))
	a.Set("transaction", TextAt(o, "transaction", "name"))
	a.Set("transaction.id", HexID(At(o, "transaction", "id"), 32))
	a.Set("thread.id", TextAt(o, "transaction", "active_thread_id"))
	begin, started := Number(At(o, "transaction", "relative_start_ns"))
	end, ended := Number(At(o, "transaction", "relative_end_ns"))
	if started && ended && end > begin {
		a.Set("transaction.duration", (end-begin)/1e6)
	}
	a.Set("platform", Text(o["platform"]))
	a.Set("platform.name", Text(o["platform"]))
	a.Set("release", cmp.Or(TextAt(o, "release", "version"), Text(o["release"])))
	a.Set("environment", Text(o["environment"]))
	a.Set("dist", Text(o["dist"]))
	for _, name := range []string{"device", "os", "runtime"} {
		for _, key := range SortedKeys(AsObject(o[name])) {
			a.Set(name+"."+key, Text(At(o, name, key)))
		}
	}
	a.setAll(tagMap(o["transaction_tags"]), "")
	sdk := AsObject(o["client_sdk"])
	a.Set("sdk.name", Text(sdk["name"]))
	a.Set("sdk.version", Text(sdk["version"]))
	return a
}

// Trace is the trace that a transaction's profile belongs to, "" for none.
func (p *Profile) Trace() string { return HexID(At(p.About, "transaction", "trace_id"), 32) }

// MergeChunks puts chunks of one profiler, in the order of their times, into the
// first.
func MergeChunks(chunks []*Profile) *Profile {
	first := *chunks[0]
	merged := Samples{Threads: map[string]Object{}}
	for _, c := range chunks {
		frames, stacks := len(merged.Frames), len(merged.Stacks)
		merged.Frames = append(merged.Frames, c.Samples.Frames...)
		for _, stack := range c.Samples.Stacks {
			moved := make([]int, len(stack))
			for i, f := range stack {
				moved[i] = f + frames
			}
			merged.Stacks = append(merged.Stacks, moved)
		}
		for _, s := range c.Samples.Samples {
			s.Stack += stacks
			merged.Samples = append(merged.Samples, s)
		}
		for id, about := range c.Samples.Threads {
			merged.Threads[id] = about
		}
	}
	first.Samples, first.End = merged, chunks[len(chunks)-1].End
	return &first
}
