package sandbox

import (
	"errors"

	"roundhouse/sandbox/payload"
)

// metrics stores a container of metrics, each with its own time, trace and
// attributes.
func (b *batch) metrics(raw []byte) error {
	list, err := payload.ParseContainer(raw)
	if err != nil {
		return &badPayload{err}
	}
	id := b.itemIDs(raw)
	for i, o := range list {
		o["attributes"] = payload.Unwrap(payload.AsObject(o["attributes"]))
		payload.Scrub(o)
		a, ok := payload.MetricAttrs(o)
		if !ok {
			return &badPayload{errors.New("a metric without a name, a number as its value, or one of the types counter, gauge and distribution")}
		}
		b.inherit(a)
		row := item{kind: "metric", event: id(i), ts: seconds(payload.EventTime(o["timestamp"], b.Received)), attrs: a,
			trace: payload.HexID(o["trace_id"], 32), span: payload.MetricSpan(o, a)}
		if err := b.insert(row); err != nil {
			return err
		}
	}
	return nil
}
