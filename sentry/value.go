package sentry

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"time"
)

// The types below take whatever a Sentry of any age puts into a field. Their
// UnmarshalJSON never fails: encoding/json ends the whole decoding at the
// first error of an UnmarshalJSON, and no optional field is worth that.

// Text is a string. A number or boolean is taken as its text; null, arrays
// and objects as "".
type Text string

// ID is an id or slug that may come as a string or a number.
type ID = Text

// UnmarshalJSON never returns an error.
func (t *Text) UnmarshalJSON(data []byte) error {
	*t = Text(scalar(data))
	return nil
}

// Count is a whole number that may come as a string or a number; anything
// else is 0.
type Count int64

// UnmarshalJSON never returns an error.
func (n *Count) UnmarshalJSON(data []byte) error {
	*n = 0
	s := scalar(data)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = Count(i)
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e15 && f < 1e15 {
		*n = Count(f)
	}
	return nil
}

// Bool is true for true, "true" and 1; anything else is false.
type Bool bool

// UnmarshalJSON never returns an error.
func (b *Bool) UnmarshalJSON(data []byte) error {
	s := scalar(data)
	*b = s == "true" || s == "1"
	return nil
}

// Time is a point in time that may come as RFC 3339 or as seconds since 1970;
// anything else is the zero time.
type Time struct{ time.Time }

// UnmarshalJSON never returns an error.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = Time{}
	s := scalar(data)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if parsed, err := time.Parse(layout, s); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < 1e11 {
		t.Time = time.UnixMicro(int64(f * 1e6)).UTC()
	}
	return nil
}

// String returns t in RFC 3339, or "" for the zero time.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// List is an array whose elements are decoded one by one: null, an object or
// a scalar in its place is an empty list.
type List[T any] []T

// UnmarshalJSON never returns an error.
func (l *List[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(data, &raw) != nil {
		return nil
	}
	for _, item := range raw {
		var v T
		if decode(item, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// scalar returns the text of a JSON scalar, "" for null, arrays and objects.
func scalar(data []byte) string {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] == '{' || data[0] == '[' || bytes.Equal(data, []byte("null")) {
		return ""
	}
	if data[0] == '"' {
		var s string
		if json.Unmarshal(data, &s) != nil {
			return ""
		}
		return s
	}
	return string(data)
}

// decode unmarshals one JSON value into out. Fields of a wrong type are left
// zero: encoding/json goes on after such a field and reports it only at the
// end. A wrong type at the root is an error. Numbers in an any become
// json.Number, which keeps ids above 2^53 whole.
func decode(data []byte, out any) error {
	if err := checkRoot(data, out); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err := d.Decode(out)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return nil
	}
	return err
}

func checkRoot(data []byte, out any) error {
	if _, ok := out.(json.Unmarshaler); ok {
		return nil
	}
	data = bytes.TrimSpace(data)
	switch reflect.TypeOf(out).Elem().Kind() {
	case reflect.Struct, reflect.Map:
		if !bytes.HasPrefix(data, []byte("{")) {
			return errors.New("not a JSON object")
		}
	case reflect.Slice:
		if !bytes.HasPrefix(data, []byte("[")) {
			return errors.New("not a JSON list")
		}
	}
	return nil
}
