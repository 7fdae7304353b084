package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxFile is what is read of a report: some twenty times that of half an hour.
const maxFile = 64 << 20

var errTooLarge = fmt.Errorf("a report is no larger than %d MiB", maxFile>>20)

// Read reads a report from a file.
func Read(name string) (Report, error) {
	file, err := os.Open(name)
	if err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > maxFile {
		return Report{}, fmt.Errorf("%s: %w", name, errTooLarge)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	rep, err := Parse(data)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", name, err)
	}
	return rep, nil
}

// Parse reads a report.
func Parse(data []byte) (Report, error) {
	if len(data) > maxFile {
		return Report{}, errTooLarge
	}
	var format struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(data, &format); err != nil || format.Format == nil {
		return Report{}, errors.New("not a report of roundhouse load")
	}
	if *format.Format != FormatVersion {
		return Report{}, fmt.Errorf("a report of format %d, and this version reads format %d", *format.Format, FormatVersion)
	}
	var rep Report
	if err := json.Unmarshal(data, &rep); err != nil {
		return Report{}, fmt.Errorf("not a report of roundhouse load: %w", err)
	}
	if err := rep.check(); err != nil {
		return Report{}, fmt.Errorf("not a report of roundhouse load: %w", err)
	}
	return rep, nil
}

// longestRun is ten times the longest that a scenario allows, in seconds.
const longestRun = 10 * 24 * 3600

// check refuses times with which nothing can be computed.
func (r Report) check() error {
	if r.Warmup < 0 || r.Warmup > longestRun || r.Seconds < 0 || r.Seconds > longestRun {
		return fmt.Errorf("it is of %v s after %v s", r.Seconds, r.Warmup)
	}
	if len(r.Series) > maxWindows {
		return fmt.Errorf("it has %d windows, more than %d", len(r.Series), maxWindows)
	}
	for i, w := range r.Series {
		if !(w.At >= -longestRun && w.At <= longestRun && w.Seconds > 0 && w.Seconds <= longestRun) {
			return fmt.Errorf("window %d is of %v s at %v s", i, w.Seconds, w.At)
		}
	}
	return nil
}

// Write writes the report to a file, or leaves what was there. Only its owner may
// read it: it names hosts, and what was asked of them.
func (r Report) Write(name string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := replace(name, append(data, '\n')); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// replace puts data in the place of a file at once, so that nobody reads half.
func replace(name string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // which is gone once it has been renamed
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
