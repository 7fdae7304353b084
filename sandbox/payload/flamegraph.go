package payload

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"math"
	"slices"
)

// maxRuns bounds how many stretches of each function a flamegraph remembers.
const maxRuns = 10_000

// Flamegraph adds up what several profiles saw.
type Flamegraph struct {
	frames   []Object
	infos    []*frameInfo
	byFrame  map[frameKey]int
	stacks   [][]int // the outermost frame first
	byStack  map[string]int
	counts   []int64
	times    []int64 // in nanoseconds
	profiles []Object
}

type frameKey struct{ module, function, file string }

// frameInfo is what was seen of a function: in how many samples, for how long
// it was on the stack, and on top of it.
type frameInfo struct {
	count, total, self int64
	runs               []float64 // how long it stayed on the stack, each time
	run                float64   // how long it is there by now
	here               bool      // in the stack that is being looked at, and not yet counted
}

// A Window confines what is taken from a profile. The zero value does not.
type Window struct {
	From, To float64 // Unix seconds; 0: no end there
	Thread   string
}

func NewFlamegraph() *Flamegraph {
	return &Flamegraph{byFrame: map[frameKey]int{}, byStack: map[string]int{}, frames: []Object{}, stacks: [][]int{}, profiles: []Object{}}
}

// Add takes a profile in. ref is how the answer names it.
func (g *Flamegraph) Add(p *Profile, w Window, ref Object) {
	local := make([]int, len(p.Samples.Frames))
	for i, f := range p.Samples.Frames {
		local[i] = g.frame(f)
	}
	if w.Thread == "" {
		w.Thread = p.activeThread()
	}
	threads := map[digits][]Sample{}
	for _, s := range p.Samples.Samples {
		if p.within(s, w) {
			threads[s.Thread] = append(threads[s.Thread], s)
		}
	}
	for _, thread := range slices.Sorted(maps.Keys(threads)) {
		g.thread(p, threads[thread], local)
	}
	if len(threads) > 0 {
		g.profiles = append(g.profiles, ref)
	}
}

// activeThread is the one that the transaction ran on, "" when that is not told,
// or never seen.
func (p *Profile) activeThread() string {
	thread := TextAt(p.About, "transaction", "active_thread_id")
	if !slices.ContainsFunc(p.Samples.Samples, func(s Sample) bool { return string(s.Thread) == thread }) {
		return ""
	}
	return thread
}

func (p *Profile) within(s Sample, w Window) bool {
	at := s.at() / 1e9
	if p.Profiler == "" {
		at += unixSeconds(p.Start)
	}
	return (w.Thread == "" || string(s.Thread) == w.Thread) && (w.From == 0 || at >= w.From) && (w.To == 0 || at <= w.To)
}

// thread adds the samples of one thread. Each lasts until the next; the last one
// as long as the one before it.
func (g *Flamegraph) thread(p *Profile, samples []Sample, local []int) {
	var running []int
	length := 0.0
	for i, s := range samples {
		if i+1 < len(samples) {
			length = math.Min(samples[i+1].at()-s.at(), 60e9)
		}
		stack := g.stack(p.Samples.Stacks[s.Stack], local)
		g.counts[stack]++
		g.times[stack] += int64(length)
		frames := g.stacks[stack]
		running = g.move(running, frames, length)
	}
	g.move(running, nil, 0)
}

// move ends the runs of frames that are not on the stack any more, and goes on
// with those that are.
func (g *Flamegraph) move(running, frames []int, length float64) []int {
	for _, f := range frames {
		g.infos[f].here = true
	}
	for _, f := range running {
		info := g.infos[f]
		if info.here {
			continue
		}
		if len(info.runs) < maxRuns {
			info.runs = append(info.runs, info.run)
		}
		info.run = 0
	}
	var now []int
	for i, f := range frames {
		info := g.infos[f]
		if i == len(frames)-1 {
			info.self += int64(length)
		}
		if !info.here { // recursion: once is enough
			continue
		}
		info.here = false
		info.count++
		info.total += int64(length)
		info.run += length
		now = append(now, f)
	}
	return now
}

// frame finds the function, whichever of its lines was seen first.
func (g *Flamegraph) frame(f Object) int {
	k := frameKey{cmp.Or(Text(f["module"]), Text(f["package"])), Text(f["function"]), cmp.Or(Text(f["filename"]), Text(f["abs_path"]))}
	if i, ok := g.byFrame[k]; ok {
		return i
	}
	h := fnv.New32a()
	h.Write([]byte(cmp.Or(k.module, k.file) + ":" + k.function))
	out := Object{"name": cmp.Or(k.function, "(unknown)"), "file": k.file, "is_application": f["in_app"] == true, "line": 0, "fingerprint": h.Sum32()}
	if line, ok := Number(f["lineno"]); ok {
		out["line"] = line
	}
	if k.module != "" {
		out["image"] = k.module
	}
	if path := Text(f["abs_path"]); path != "" {
		out["path"] = path
	}
	i := len(g.frames)
	g.frames, g.infos, g.byFrame[k] = append(g.frames, out), append(g.infos, &frameInfo{}), i
	return i
}

func (g *Flamegraph) stack(innermostFirst []int, local []int) int {
	frames := make([]int, len(innermostFirst))
	var k []byte
	for i, f := range innermostFirst {
		frames[len(frames)-1-i] = local[f]
	}
	for _, f := range frames {
		k = binary.AppendUvarint(k, uint64(f))
	}
	i, ok := g.byStack[string(k)]
	if !ok {
		i = len(g.stacks)
		g.byStack[string(k)] = i
		g.stacks, g.counts, g.times = append(g.stacks, frames), append(g.counts, 0), append(g.times, 0)
	}
	return i
}

// JSON is the answer: the stacks that were seen, each with how often and for how
// long, and each function with its share.
func (g *Flamegraph) JSON() Object {
	var total int64
	for _, n := range g.counts {
		total += n
	}
	infos := make([]Object, len(g.infos))
	for i, info := range g.infos {
		slices.Sort(info.runs)
		infos[i] = Object{
			"count": info.count, "weight": info.total, "sumDuration": info.total, "sumSelfTime": info.self,
			"p75Duration": quantile(info.runs, 0.75), "p95Duration": quantile(info.runs, 0.95), "p99Duration": quantile(info.runs, 0.99),
		}
	}
	profiles := []Object{}
	if len(g.stacks) > 0 {
		profiles = append(profiles, Object{
			"type": "sampled", "unit": "count", "name": "", "threadID": 0, "isMainThread": true, "startValue": 0, "endValue": total,
			"samples": g.stacks, "weights": g.counts, "sample_counts": g.counts, "sample_durations_ns": g.times,
		})
	}
	return Object{
		"activeProfileIndex": 0, "profiles": profiles,
		"shared": Object{"frames": g.frames, "frame_infos": infos, "profiles": g.profiles},
	}
}

// quantile is the value that so large a part of the sorted values does not exceed.
func quantile(sorted []float64, q float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return int64(sorted[int(math.Ceil(q*float64(len(sorted))))-1])
}
