package query

import (
	"database/sql/driver"
	"math"
	"slices"

	"modernc.org/sqlite"
)

// A connection knows only the functions registered before it was opened, so
// this cannot wait for the first query.
func init() {
	sqlite.MustRegisterFunction("rh_percentile", &sqlite.FunctionImpl{
		NArgs:         2,
		Deterministic: true,
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
			return &percentileOf{}, nil
		},
	})
}

// percentileOf collects numbers and interpolates linearly between the two that
// are nearest to the quantile. Values that are no numbers are passed over.
type percentileOf struct {
	values   []float64
	quantile float64
}

func (p *percentileOf) Step(_ *sqlite.FunctionContext, row []driver.Value) error {
	p.quantile, _ = asFloat(row[1])
	if v, ok := asFloat(row[0]); ok {
		p.values = append(p.values, v)
	}
	return nil
}

// WindowInverse would remove the oldest value; it is only for window
// functions, as which this one is not used.
func (p *percentileOf) WindowInverse(*sqlite.FunctionContext, []driver.Value) error { return nil }

func (p *percentileOf) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	if len(p.values) == 0 {
		return nil, nil
	}
	slices.Sort(p.values)
	rank := p.quantile * float64(len(p.values)-1)
	below, above := p.values[int(math.Floor(rank))], p.values[int(math.Ceil(rank))]
	return below + (above-below)*(rank-math.Floor(rank)), nil
}

func (p *percentileOf) Final(*sqlite.FunctionContext) {}

func asFloat(v driver.Value) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
