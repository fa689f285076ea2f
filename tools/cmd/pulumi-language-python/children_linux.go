package main

import (
	"os/exec"
	"syscall"
)

// prepare gives the child a process group of its own, and has the kernel kill it should this host be killed.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
