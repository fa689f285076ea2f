//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

// prepare gives the child a process group of its own. Without Linux' parent-death signal a killed host leaves it running.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
