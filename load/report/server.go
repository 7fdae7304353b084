package report

import (
	"fmt"
	"math"

	"roundhouse/load/measure"
)

// server is what the node said of itself.
func server(r measure.Report) section {
	s := section{Title: "The node"}
	samples := r.Server
	if len(samples) == 0 {
		return s
	}
	t := &table{Head: []string{"", "at first", "least", "most", "at last"}}
	for _, row := range []struct {
		name string
		of   func(measure.Sample) float64
		say  func(float64) string
	}{
		{"contexts in memory", contexts, whole},
		{"heap in use", heap, memory},
		{"resident memory", resident, memory},
		{"goroutines", goroutines, whole},
		{"messages in mailboxes", mailbox, whole},
	} {
		first, least, most, last := extent(samples, row.of)
		if most > 0 {
			t.add(row.name, row.say(first), row.say(least), row.say(most), row.say(last))
		}
	}
	s.Table = t
	if each, span, ok := bytesPerContext(samples); ok {
		s.After = append(s.After, fmt.Sprintf("%s of heap for each context more, from the least heap at %s and at %s contexts.",
			memory(each), count(int(span[0])), count(int(span[1]))))
	}
	a, b := samples[0], samples[len(samples)-1]
	if took := b.At - a.At; took > 0 {
		s.After = append(s.After, spent(a, b, took)...)
	}
	return s
}

// spent is what was used from one sample to another, which a restart between
// them makes unknown.
func spent(a, b measure.Sample, took float64) []string {
	var said []string
	if cpu := b.CPU - a.CPU; cpu > 0 {
		line := fmt.Sprintf("%s CPUs in use on average", number(cpu/took))
		if pause := b.GCPause - a.GCPause; pause >= 0 {
			line += fmt.Sprintf("; stopped for garbage collection %s in all", seconds(pause))
		}
		said = append(said, line+".")
	}
	if calls := b.Upstream - a.Upstream; calls > 0 {
		said = append(said, fmt.Sprintf("%s to Sentry, %s a second.", plural(uint64(calls), "call", "calls"), number(calls/took)))
	}
	return said
}

func contexts(s measure.Sample) float64   { return s.Contexts }
func heap(s measure.Sample) float64       { return s.HeapInUse }
func resident(s measure.Sample) float64   { return s.Resident }
func goroutines(s measure.Sample) float64 { return s.Goroutines }
func mailbox(s measure.Sample) float64    { return s.Mailbox }

func extent(samples []measure.Sample, of func(measure.Sample) float64) (first, least, most, last float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, s := range samples {
		least, most = min(least, of(s)), max(most, of(s))
	}
	return of(samples[0]), least, most, of(samples[len(samples)-1])
}

// fewContexts are too few for their heap to stand out from garbage.
const fewContexts = 100

// bytesPerContext compares the least heap of the samples with the fewest
// contexts and of those with the most: the least, because garbage only adds.
func bytesPerContext(samples []measure.Sample) (each float64, span [2]float64, ok bool) {
	if len(samples) == 0 {
		return 0, span, false
	}
	_, few, many, _ := extent(samples, contexts)
	few, many = math.Max(few, 0), math.Max(many, 0)
	if many-few < fewContexts {
		return 0, span, false
	}
	margin := (many - few) / 50
	low, high := measure.Sample{HeapInUse: math.Inf(1)}, measure.Sample{HeapInUse: math.Inf(1)}
	for _, s := range samples {
		if s.HeapInUse <= 0 {
			continue
		}
		if s.Contexts <= few+margin && s.HeapInUse < low.HeapInUse {
			low = s
		}
		if s.Contexts >= many-margin && s.HeapInUse < high.HeapInUse {
			high = s
		}
	}
	each = (high.HeapInUse - low.HeapInUse) / (high.Contexts - low.Contexts)
	if math.IsNaN(each) || math.IsInf(each, 0) || each <= 0 {
		return 0, span, false
	}
	return each, [2]float64{low.Contexts, high.Contexts}, true
}
