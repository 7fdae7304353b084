package compare

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc. Linux shows 100 to a second on every
// architecture that Go knows.
const tick = 10 * time.Millisecond

// ProcessCPU returns what tells the CPU time of a process, or nil where there is
// no /proc.
func ProcessCPU(pid int) func() (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return func() (time.Duration, error) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return 0, fmt.Errorf("CPU time: %w", err)
		}
		return parseStat(string(raw))
	}
}

// parseStat reads the times in user and in system mode, proc(5)'s fields 14 and
// 15. The name before them is in parentheses and may hold anything.
func parseStat(text string) (time.Duration, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("CPU time: %d fields", len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
