package measure

import (
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Longest is what a Histogram keeps longer durations as.
const Longest = 10 * time.Minute

// Digits of values in nanoseconds: buckets are at most 1/1024 and 1/128 of what
// they hold, so that a window of a thousand calls takes some two kilobytes.
const (
	fine   = 3
	coarse = 2
)

// Histogram is of durations from a nanosecond to ten minutes, each kept to one
// part in a thousand, and to one in a hundred in the windows of a series. The
// zero value is an empty one. A copy shares what it holds: see Clone. It is not
// safe for concurrent use while it changes.
//
// In JSON it is the compressed form of HdrHistogram (V2), so that reports can be
// merged without loss.
type Histogram struct {
	h *hdrhistogram.PackedHistogram
}

// newWindow is a Histogram for one of many windows.
func newWindow() Histogram {
	return Histogram{hdrhistogram.NewPacked(1, int64(Longest), coarse)}
}

// Add adds one duration. One that is out of range is kept as the nearest that is
// in it.
func (h *Histogram) Add(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.NewPacked(1, int64(Longest), fine)
	}
	// It refuses only what is out of range, and the 2⁶³rd call.
	_ = h.h.RecordValue(int64(min(max(d, 0), Longest)))
}

// Merge adds what another holds. If one of the two is coarser, so is the result:
// the bounds of coarse buckets are bounds of fine ones, so nothing is displaced.
func (h *Histogram) Merge(from Histogram) {
	if from.Count() == 0 {
		return
	}
	if h.h == nil {
		*h = from.Clone()
		return
	}
	if h.h.SignificantFigures() > from.h.SignificantFigures() {
		finer := h.h
		*h = newWindow()
		h.h.Merge(finer)
	}
	h.h.Merge(from.h)
}

// Clone is a Histogram of its own with the same content.
func (h Histogram) Clone() Histogram {
	if h.h == nil {
		return Histogram{}
	}
	return Histogram{h.h.Clone()}
}

// Count is how many durations were added.
func (h Histogram) Count() uint64 {
	if h.h == nil {
		return 0
	}
	return uint64(h.h.TotalCount())
}

// Quantile is the duration that the share q of all did not exceed: 0.99 for p99.
// It is 0 if there are none.
func (h Histogram) Quantile(q float64) time.Duration {
	if h.h == nil {
		return 0
	}
	return min(time.Duration(h.h.ValueAtPercentile(q*100)), Longest)
}

// Min is the shortest, or 0.
func (h Histogram) Min() time.Duration { return h.Quantile(0) }

// Max is the longest, or 0.
func (h Histogram) Max() time.Duration { return h.Quantile(1) }

// Point is one of a curve: the share Quantile of all took at most Value.
type Point struct {
	Quantile float64
	Value    time.Duration
}

// curveTicks is how many points a curve has from one halving of what is left to
// the next: from 50 % to 75 %, from 75 % to 87.5 %, and so on.
const curveTicks = 8

// Curve is the percentile curve, of ever smaller steps towards 1, where it ends.
// It has some twenty points for each power of ten of the count.
func (h Histogram) Curve() []Point {
	count := float64(h.Count())
	if count == 0 {
		return nil
	}
	percents := []float64{0}
	for left := 1.0; left*count >= 1; left /= 2 {
		for tick := range curveTicks {
			percents = append(percents, 100*(1-left+left/2*float64(tick+1)/curveTicks))
		}
	}
	percents = append(percents, 100)
	curve := make([]Point, len(percents))
	for i, value := range h.h.ValueAtPercentilesSlice(percents) {
		curve[i] = Point{percents[i] / 100, min(time.Duration(value), Longest)}
	}
	return curve
}

// MarshalJSON writes the compressed form, and "" for an empty Histogram.
func (h Histogram) MarshalJSON() ([]byte, error) {
	if h.Count() == 0 {
		return []byte(`""`), nil
	}
	text, err := h.h.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode histogram: %w", err)
	}
	return json.Marshal(string(text))
}

// maxEncoded is more than base64 of every bucket of a Histogram takes.
const maxEncoded = 512 << 10

var errNotOurs = errors.New("histogram is not one of a report")

// UnmarshalJSON reads what MarshalJSON wrote, and refuses all else.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	if len(data) > maxEncoded {
		return errNotOurs
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errNotOurs
	}
	*h = Histogram{}
	if text == "" {
		return nil
	}
	if !ours(text) {
		return errNotOurs
	}
	decoded, err := hdrhistogram.DecodePacked([]byte(text))
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	if decoded.TotalCount() == math.MaxInt64 { // the sum of its counts is beyond that
		return errNotOurs
	}
	h.h = decoded
	return nil
}

// ours reports whether the header is that of a fine or coarse Histogram. Another
// one may ask the decoder for much memory.
func ours(text string) bool {
	packed := base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	if _, err := io.CopyN(io.Discard, packed, 8); err != nil { // cookie and length
		return false
	}
	content, err := zlib.NewReader(packed)
	if err != nil {
		return false
	}
	var header struct {
		Cookie, Length, Offset, Digits int32
		Lowest, Highest                int64
	}
	if err := binary.Read(content, binary.BigEndian, &header); err != nil {
		return false
	}
	return header.Lowest == 1 && header.Highest == int64(Longest) &&
		(header.Digits == fine || header.Digits == coarse)
}
