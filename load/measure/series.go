package measure

import (
	"maps"
	"slices"
	"time"
)

// series is windows by number: the one of number n begins n lengths after the
// end of the warm-up. Numbers given to it are of windows of the first length;
// doubled says how often two neighbors have become one since.
type series struct {
	doubled uint
	windows map[int64]*Window
}

// merge adds what one window counted. The number of windows stays bounded.
func (s *series) merge(number int64, w Window) {
	number >>= s.doubled // rounds down, also before 0
	if have := s.windows[number]; have != nil {
		have.merge(w)
		return
	}
	w.Latency = w.Latency.Clone()
	s.windows[number] = &w
	for s.span() > maxWindows {
		s.double()
	}
}

func (w *Window) merge(from Window) {
	w.Count += from.Count
	w.Bad += from.Bad
	w.Latency.Merge(from.Latency)
}

// span is how many windows there are from the first to the last, those without
// calls included.
func (s *series) span() int64 {
	first, last := s.ends()
	return last - first + 1
}

func (s *series) ends() (first, last int64) {
	numbers := slices.Collect(maps.Keys(s.windows))
	return slices.Min(numbers), slices.Max(numbers)
}

func (s *series) double() {
	halves := s.windows
	s.windows = make(map[int64]*Window, len(halves))
	s.doubled++
	for _, number := range slices.Sorted(maps.Keys(halves)) {
		if have := s.windows[number>>1]; have != nil {
			have.merge(*halves[number])
		} else {
			s.windows[number>>1] = halves[number]
		}
	}
}

// list returns the windows in their order, without gaps. They are cut where the
// warm-up begins and, if end is not 0, where the run ended.
func (s *series) list(length, begin, end time.Duration) []Window {
	if len(s.windows) == 0 {
		return nil
	}
	length <<= s.doubled
	first, last := s.ends()
	list := make([]Window, 0, last-first+1)
	for number := first; number <= last; number++ {
		w := Window{}
		if have := s.windows[number]; have != nil {
			w = *have
			w.Latency = have.Latency.Clone()
		}
		from, to := time.Duration(number)*length, time.Duration(number+1)*length
		if from < begin && begin < to {
			from = begin
		}
		if from < end && end < to {
			to = end
		}
		w.At, w.Seconds = from.Seconds(), (to - from).Seconds()
		list = append(list, w)
	}
	return list
}

// floorDiv is how many whole lengths fit, rounded down also before 0.
func floorDiv(d, length time.Duration) int64 {
	n := int64(d / length)
	if d%length < 0 {
		n--
	}
	return n
}
