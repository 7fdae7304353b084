package pace

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// preciseClock sleeps to some fifty microseconds, by a timer of the kernel that
// the runtime waits for as for a connection: no thread is held, and no processor
// is kept busy.
type preciseClock struct {
	file    *os.File
	control func(func(fd uintptr)) error
}

// newPreciseClock returns nil if there is none, and where time does not pass as
// it does for the kernel: within a test that has its own.
func newPreciseClock() *preciseClock {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	c := &preciseClock{file: os.NewFile(uintptr(fd), "timer")}
	raw, err := c.file.SyscallConn()
	if err != nil {
		c.close()
		return nil
	}
	c.control = raw.Control
	before := time.Now()
	if !c.sleep(50*time.Microsecond) || time.Now().Equal(before) {
		c.close()
		return nil
	}
	return c
}

// sleep returns false if it cannot.
func (c *preciseClock) sleep(d time.Duration) bool {
	var err error
	set := func(fd uintptr) {
		once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		err = unix.TimerfdSettime(int(fd), 0, &once, nil)
	}
	if c.control(set) != nil || err != nil {
		return false
	}
	var expirations [8]byte
	_, err = c.file.Read(expirations[:])
	return err == nil
}

func (c *preciseClock) close() {
	if c != nil {
		_ = c.file.Close()
	}
}
