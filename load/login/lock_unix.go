//go:build unix

package login

import (
	"os"
	"syscall"
)

// lock waits until no other process has locked a folder. The file itself would
// be another after each writing.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, err
	}
	return func() { d.Close() }, nil
}
