package measure_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

// sample is a report with something in every part.
func sample() measure.Report {
	r := measure.NewRecorder(noon, 2*time.Second, time.Second)
	for i := range 5000 {
		res := result(time.Duration(i)*2*time.Millisecond, time.Duration(i%977)*17*time.Microsecond)
		res.First = i%50 == 0
		if i%100 == 99 {
			res.Outcome, res.Reason = measure.Outcome(i/100%5), "503"
		}
		r.Add(res)
	}
	rep := measure.Report{
		Format: measure.FormatVersion, Scenario: "mixed", Target: "roundhouse", Seconds: 8, Arrivals: "open, 500/s",
		Users: 3, Contexts: 30, Workers: 1,
		Canaries: measure.Canaries{Checked: 4900, Marked: 4000, Wrong: 1, Exchanges: []string{"wrong-1.txt"}, Tried: map[string]uint64{"session": 7}},
		Streams:  &measure.Streams{Open: 4, Notifications: 9, Missed: 1},
		Moments:  []measure.Moment{{At: 3, What: "Sentry fails"}},
		Server:   []measure.Sample{{At: 1, Contexts: 30, HeapInUse: 1e6}},
	}
	rep.Streams.Latency.Add(time.Second)
	r.Fill(&rep)
	return rep
}

func TestReport_File(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(name, []byte("an older one"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := sample()
	want.Limit = &measure.Limit{Rate: 100, Bound: "p99 at most 1s", Steps: []measure.LimitStep{{Rate: 100, P99: 0.5, Held: true}}}
	want.Comparisons = []measure.Comparison{{Ours: "roundhouse", Theirs: "bare", Rounds: []measure.Round{{Ours: measure.Side{Throughput: 1}}}}}
	if err := want.Write(name); err != nil {
		t.Fatal(err)
	}
	got, err := measure.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(encode(t, want), encode(t, got)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v; want the report alone", files, err)
	}
}

func TestReport_WriteErr(t *testing.T) {
	if err := sample().Write(filepath.Join(t.TempDir(), "missing", "report.json")); err == nil {
		t.Error("wrote into a directory that does not exist")
	}
}

func TestRead_Err(t *testing.T) {
	if _, err := measure.Read(filepath.Join(t.TempDir(), "missing.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read of a missing file = %v", err)
	}
	name := filepath.Join(t.TempDir(), "large.json")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(65 << 20); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if _, err := measure.Read(name); err == nil || !strings.Contains(err.Error(), "64 MiB") || !strings.Contains(err.Error(), name) {
		t.Errorf("Read of 65 MiB = %v", err)
	}
}

func TestParse_Refuses(t *testing.T) {
	for name, tc := range map[string]struct{ data, want string }{
		"nothing":         {``, "not a report"},
		"another file":    {`{"name":"x"}`, "not a report"},
		"a list":          {`[]`, "not a report"},
		"another format":  {`{"format":2,"new":true}`, "format 2, and this version reads format 1"},
		"negative counts": {`{"format":1,"total":{"count":-1}}`, "not a report"},
		"no histogram":    {`{"format":1,"late":"AAAA"}`, "histogram"},
		"no length":       {`{"format":1,"series":[{"at":0,"seconds":0}]}`, "window 0 is of 0 s"},
		"far away":        {`{"format":1,"series":[{"at":1e300,"seconds":1}]}`, "1e+300"},
		"endless":         {`{"format":1,"seconds":1e300}`, "1e+300"},
		"too many":        {`{"format":1,"series":[` + strings.Repeat(`{},`, 600) + `{}]}`, "601 windows"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := measure.Parse([]byte(tc.data)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse(%.60s) = %v, want an error with %q", tc.data, err, tc.want)
			}
		})
	}
}

func TestOutcome_Text(t *testing.T) {
	for _, o := range measure.Outcomes {
		var back measure.Outcome
		if err := json.Unmarshal([]byte(encode(t, o)), &back); err != nil || back != o {
			t.Errorf("%v read back = %v, %v", o, back, err)
		}
	}
	if _, err := json.Marshal(measure.Outcome(9)); err == nil {
		t.Error("an outcome that there is not was written")
	}
	if err := new(measure.Outcome).UnmarshalText([]byte("fine")); err == nil {
		t.Error("an outcome that there is not was read")
	}
}

// Whatever is read as a report can be used as one, and is written as it was.
func FuzzParse(f *testing.F) {
	var h measure.Histogram
	h.Add(time.Millisecond)
	h.Add(time.Hour)
	latency, err := json.Marshal(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fmt.Appendf(nil, `{"format":1,"total":{"count":2,"latency":%s},"late":"","series":[{"at":0,"seconds":1,"latency":%[1]s}]}`, latency))
	f.Add([]byte(`{"format":1,"seconds":1,"series":[{"at":-0.5,"seconds":1},{"at":1e6,"seconds":0.001}],"calls":{"a":{"count":1}},"streams":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := measure.Parse(data)
		if err != nil {
			return
		}
		rep.Total.Latency.Curve()
		_ = rep.Activations.Max()
		once := encode(t, rep)
		back, err := measure.Parse([]byte(once))
		if err != nil || encode(t, back) != once {
			t.Fatalf("%s\nis not read back: %v", once, err)
		}
		if merged, err := measure.Merge(rep, rep); err == nil && len(merged.Series) > 600 {
			t.Fatalf("%d windows", len(merged.Series))
		}
	})
}
