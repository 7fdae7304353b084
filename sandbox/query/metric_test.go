package query

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCompile_Metrics(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	const orders, latency = "value,orders.placed,counter,-", "value,checkout.latency,distribution,second"
	tests := []struct {
		why     string
		request Select
		want    []string
	}{
		{"rows", Select{Fields: []string{"metric.name", "metric.type", "metric.unit", "value", "span_id"}, Query: "orders region:eu"},
			[]string{`["orders.placed","counter",null,3,"b1"]`}},
		{"one metric among all", Select{Fields: []string{"sum(" + orders + ")", "count(" + orders + ")", "max(" + latency + ")"}},
			[]string{`[7,2,1.5]`}},
		{"percentiles and means", Select{Fields: []string{"p50(" + latency + ")", "avg(" + latency + ")", "min(" + latency + ")"}},
			[]string{`[1,1,0.5]`}},
		{"none as the unit", Select{Fields: []string{"sum(value, orders.placed, counter, none)"}}, []string{`[7]`}},
		{"another type is another metric", Select{Fields: []string{"sum(value,orders.placed,gauge,-)"}}, []string{`[null]`}},
		{"another unit is another metric", Select{Fields: []string{"sum(value,orders.placed,counter,second)"}}, []string{`[null]`}},
		{"a group without the metric is left out", Select{Fields: []string{"region", "sum(" + orders + ")"}, Sort: "region"},
			[]string{`["eu",3]`, `["us",4]`}},
		{"one with any of them stays", Select{Fields: []string{"region", "sum(" + orders + ")", "p95(" + latency + ")"}, Sort: "region"},
			[]string{`["eu",3,1.45]`, `["us",4,null]`}},
		{"a metric in the condition alone", Select{Fields: []string{"region"}, Query: "sum(" + orders + "):>3"}, []string{`["us"]`}},
		{"a duration in the condition", Select{Fields: []string{"region"}, Query: "max(" + latency + "):>1400ms"}, []string{`["eu"]`}},
		{"rates: counters add up, others happen",
			Select{Fields: []string{"per_minute(" + orders + ")", "per_minute(" + latency + ")"}, Env: lastHours(2)}, []string{`[0.058333333333333334,0.016666666666666666]`}},
		{"rates of whatever is found",
			Select{Fields: []string{"metric.name", "per_second(value)"}, Sort: "metric.name", Env: lastHours(1)},
			[]string{`["checkout.latency",0.0005555555555555556]`, `["orders.placed",0.0008333333333333334]`, `["queue.depth",0.0002777777777777778]`}},
		{"the time in nanoseconds", Select{Fields: []string{"timestamp_precise"}, Query: "metric.type:gauge"}, []string{`[1769943600000000000]`}},
	}
	for _, tt := range tests {
		tt.request.Dataset = "tracemetrics"
		if tt.request.Env.Projects == nil {
			tt.request.Env = testEnv()
		}
		plan, err := Compile(tt.request)
		if err != nil {
			t.Errorf("%s: Compile() = %v", tt.why, err)
			continue
		}
		if diff := cmp.Diff(tt.want, rowsOf(t, db, plan)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tt.why, diff, plan.SQL)
		}
	}
}

func lastHours(n int) Env {
	return Env{Projects: []int64{1}, Start: now.Add(-time.Duration(n) * time.Hour), End: now}
}

func TestField_Metrics(t *testing.T) {
	for name, want := range map[string]Column{
		"sum(value,orders.placed,counter,-)":              {Type: Number},
		"count(value,orders.placed,counter,-)":            {Type: Integer},
		"p95(value,checkout.latency,distribution,second)": {Type: Duration, Unit: "second"},
		"avg(value,cache.hits,gauge,ratio)":               {Type: Percentage, Unit: "ratio"},
		"max(value,heap,gauge,megabyte)":                  {Type: Number, Unit: "megabyte"},
		"per_second(value,orders.placed,counter,-)":       {Type: Rate, Unit: "1/second"},
		"per_minute(value)":                               {Type: Rate, Unit: "1/minute"},
	} {
		want.Name = name
		if got, err := Field("tracemetrics", name); err != nil || got != want {
			t.Errorf("Field(%q) = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestField_MetricErrors(t *testing.T) {
	tests := []struct{ why, dataset, field, reason string }{
		{"a type that is none", "tracemetrics", "sum(value,orders,set,-)", "one of counter, distribution, gauge"},
		{"no name", "tracemetrics", "sum(value,,counter,-)", "name of the metric"},
		{"not the value", "tracemetrics", "sum(region,orders,counter,-)", "there is only the value"},
		{"a function that is not of one metric", "tracemetrics", "any(value,orders,counter,-)", "no function of one metric"},
		{"too few arguments", "tracemetrics", "sum(value,orders,counter)", "arguments wanted: 1, given: 3"},
		{"a rate of something else", "tracemetrics", "per_second(region)", "there is only the value"},
		{"metrics are not spans", "spans", "sum(value,orders,counter,-)", "arguments wanted: 1, given: 4"},
		{"nor do spans have a weight", "spans", "per_second(span.duration)", "there is no such function"},
	}
	for _, tt := range tests {
		_, err := Field(tt.dataset, tt.field)
		var e *Error
		if !errors.As(err, &e) || e.Part != "field" || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: Field(%s, %q) = %v, want %s", tt.why, tt.dataset, tt.field, err, tt.reason)
		}
	}
}
