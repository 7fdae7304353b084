// Package measure keeps what a run finds: latencies in HDR histograms, counts
// in windows of time, and the report made of both. It knows neither MCP nor
// the network.
package measure

import "github.com/HdrHistogram/hdrhistogram-go"

// Histogram is of durations, from a microsecond to ten minutes, each kept to
// one part in a thousand. The zero value is an empty one. In JSON it is the
// compressed form of HdrHistogram (V2), so that reports can be merged without
// loss.
type Histogram struct {
	h *hdrhistogram.Histogram
}
