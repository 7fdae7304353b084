package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/plotter"

	"roundhouse/load/measure"
)

// sampled is a value of each sample; what a node never told is not drawn.
func sampled(of func(measure.Sample) float64) func(measure.Report) plotter.XYs {
	return func(r measure.Report) plotter.XYs {
		var points plotter.XYs
		told := false
		for _, s := range r.Server {
			v := of(s)
			told = told || v > 0
			points = append(points, plotter.XY{X: s.At, Y: v})
		}
		if !told {
			return nil
		}
		return points
	}
}

// rate is how fast a counter of the node's grows. It is not known where the
// node began anew.
func rate(of func(measure.Sample) float64) func(measure.Report) plotter.XYs {
	return func(r measure.Report) plotter.XYs {
		var points plotter.XYs
		told := false
		for i := 1; i < len(r.Server); i++ {
			a, b := r.Server[i-1], r.Server[i]
			v := (of(b) - of(a)) / (b.At - a.At)
			if v < 0 || math.IsInf(v, 0) {
				v = math.NaN()
			}
			told = told || v > 0
			points = append(points, plotter.XY{X: (a.At + b.At) / 2, Y: v})
		}
		if !told {
			return nil
		}
		return points
	}
}

func memoryFigure(rs []measure.Report) figure {
	f := figure{Title: "The node’s memory", X: timeAxis, Y: axis{Label: "bytes", Say: sayBytes, From0: true}}
	f.Lines = lines(rs, onlyFirst(rs, quantity{"heap in use", sampled(heap), ' '}, quantity{"resident", sampled(resident), ' '})...)
	f.Alt = "The node’s memory over time: " + eachSampled(rs, "heap in use", heap, memory)
	return f
}

func eachSampled(rs []measure.Report, name string, of func(measure.Sample) float64, say func(float64) string) string {
	return each(rs, func(r measure.Report) string {
		if len(r.Server) == 0 {
			return dash
		}
		first, _, most, last := extent(r.Server, of)
		return fmt.Sprintf("%s %s at first, at most %s, %s at last", name, say(first), say(most), say(last))
	})
}

func contextFigure(rs []measure.Report) figure {
	f := figure{Title: "Memory for each context", Y: axis{Label: "bytes for each", Say: sayBytes, From0: true}}
	f.X = axis{Label: "contexts more than at least", Say: sayPlain, From0: true}
	f.Lines = lines(rs, quantity{"heap for each context", heapByContexts, 'o'})
	f.Alt = "Heap for each context, by how many there are: " + each(rs, func(r measure.Report) string {
		if b, span, ok := bytesPerContext(r.Server); ok {
			return fmt.Sprintf("%s at %s", memory(b), count(int(span[1])))
		}
		return dash
	})
	return f
}

// heapByContexts is the heap beyond that of the fewest contexts, for each
// context beyond them.
func heapByContexts(r measure.Report) plotter.XYs {
	if _, _, ok := bytesPerContext(r.Server); !ok {
		return nil
	}
	_, few, _, _ := extent(r.Server, contexts)
	least := math.Inf(1)
	for _, s := range r.Server {
		if s.Contexts <= few && s.HeapInUse > 0 {
			least = min(least, s.HeapInUse)
		}
	}
	var points plotter.XYs
	for _, s := range r.Server {
		if more := s.Contexts - few; more >= fewContexts && s.HeapInUse > least {
			points = append(points, plotter.XY{X: more, Y: (s.HeapInUse - least) / more})
		}
	}
	return points
}

func goroutineFigure(rs []measure.Report) figure {
	f := figure{Title: "Goroutines and mailboxes", X: timeAxis, Y: axis{Label: "count", Say: sayPlain, From0: true}}
	f.Lines = lines(rs, onlyFirst(rs, quantity{"goroutines", sampled(goroutines), ' '}, quantity{"messages in mailboxes", sampled(mailbox), ' '})...)
	f.Alt = "The node’s goroutines over time: " + eachSampled(rs, "goroutines", goroutines, number)
	return f
}

func cpuFigure(rs []measure.Report) figure {
	f := figure{Title: "The node’s CPUs", X: timeAxis, Y: axis{Label: "CPUs in use", Say: short, From0: true}}
	f.Lines = lines(rs, quantity{"in use", rate(func(s measure.Sample) float64 { return s.CPU }), ' '})
	f.Alt = "CPUs that the node used, over time"
	return f
}

func gcFigure(rs []measure.Report) figure {
	f := figure{Title: "Stopped for garbage collection", X: timeAxis, Y: axis{Label: "in each second", Say: sayTime, From0: true}}
	f.Lines = lines(rs, quantity{"all goroutines stopped", rate(func(s measure.Sample) float64 { return s.GCPause }), ' '})
	f.Alt = "How long the node stopped for garbage collection, in each second of the run"
	return f
}
