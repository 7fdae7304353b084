package sandbox

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/sandbox/payload"
)

func memory(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// readBack has SQLite say what it reads.
func readBack(t testing.TB, db *sql.DB, raw []byte) payload.Object {
	t.Helper()
	var valid bool
	var text []byte
	if err := db.QueryRow("SELECT json_valid(?1, 8), json(?1)", raw).Scan(&valid, &text); err != nil || !valid {
		t.Fatalf("SQLite refuses %x: %v", raw, err)
	}
	o, err := payload.ParseObject(text)
	if err != nil {
		t.Fatalf("SQLite reads %x as %s: %v", raw, text, err)
	}
	return o
}

func TestAttrs_JSONB(t *testing.T) {
	db := memory(t)
	long := strings.Repeat("ü", 40_000)
	a := payload.Attrs{
		"": "", "a": "x", `q"\` + "\n\x00\u2028": "\"\\/\b\t\x1f", "long": long, "mid": long[:200], "t": true, "f": false,
		"n": json.Number("90071992547409931"), "e": json.Number("1.5E3"), "i": int64(-7), "d": 0.1, "whole": 250., "tiny": 1e-9,
		"list": []any{"TypeError", "", 2., true}, "none": []any{}, "bad": "a\xffb",
	}
	want := payload.Object{
		"": "", "a": "x", `q"\` + "\n\x00\u2028": "\"\\/\b\t\x1f", "long": long, "mid": long[:200], "t": true, "f": false,
		"n": json.Number("90071992547409931"), "e": json.Number("1.5E3"), "i": json.Number("-7"), "d": json.Number("0.1"), "whole": json.Number("250"), "tiny": json.Number("1e-09"),
		"list": []any{"TypeError", "", json.Number("2"), true}, "none": []any{}, "bad": "a\uFFFDb",
	}
	if diff := cmp.Diff(want, readBack(t, db, a.JSONB())); diff != "" {
		t.Error(diff)
	}
	var x, list any
	if err := db.QueryRow(`SELECT ?1 ->> '$."n"', ?1 ->> '$."list"[0]'`, a.JSONB()).Scan(&x, &list); err != nil || x != int64(90071992547409931) || list != "TypeError" {
		t.Errorf("extracted %v and %v, %v", x, list, err)
	}
}

// FuzzJSONB: whatever attributes are read from JSON, SQLite reads what was meant.
func FuzzJSONB(f *testing.F) {
	f.Add([]byte(`{"a":"x","b":1,"c":[true,"y",-0.5e-7],"d":{"e":null},"":"\u0000\ud800"}`))
	f.Add([]byte(`{"k` + strings.Repeat("k", 300) + `":"` + strings.Repeat("v", 70_000) + `"}`))
	db := memory(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := payload.ParseObject(raw)
		if err != nil {
			return
		}
		a := payload.Attrs{}
		for _, key := range payload.SortedKeys(o) {
			a.Set(key, o[key])
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		want, err := payload.ParseObject(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, readBack(t, db, a.JSONB())); diff != "" {
			t.Error(diff)
		}
	})
}
