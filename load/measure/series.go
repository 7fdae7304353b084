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
	doubled     uint
	windows     map[int64]*Window
	first, last int64 // numbers of windows, if there are any
}

// merge adds what one window counted. The number of windows stays bounded.
func (s *series) merge(number int64, w Window) {
	number >>= s.doubled // rounds down, also before 0
	if have := s.windows[number]; have != nil {
		have.merge(w)
		return
	}
	w.Latency = w.Latency.Clone()
	if len(s.windows) == 0 {
		s.first, s.last = number, number
	}
	s.first, s.last = min(s.first, number), max(s.last, number)
	s.windows[number] = &w
	for s.last-s.first >= maxWindows { // those without calls count too
		s.double()
	}
}

func (w *Window) merge(from Window) {
	w.Count += from.Count
	w.Bad += from.Bad
	w.Latency.Merge(from.Latency)
}

func (s *series) double() {
	halves := s.windows
	s.windows = make(map[int64]*Window, len(halves))
	s.doubled++
	s.first, s.last = s.first>>1, s.last>>1
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
	list := make([]Window, 0, s.last-s.first+1)
	for number := s.first; number <= s.last; number++ {
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
