//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// apart keeps the keyboard's Ctrl-C from a child: its parent says when it ends.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
