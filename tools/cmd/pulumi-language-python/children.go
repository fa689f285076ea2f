package main

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// How long a child may take to end after SIGTERM before it is killed.
const grace = 300 * time.Millisecond

// How long output is awaited after a child has ended: a process that it left behind may hold the pipe for ever.
const drain = 500 * time.Millisecond

// children are the running processes of one kind, each in a process group of its own.
type children struct {
	mu      sync.Mutex
	running map[*exec.Cmd]chan struct{}
	stopped bool
}

func newChildren() *children {
	return &children{running: map[*exec.Cmd]chan struct{}{}}
}

var errStopped = errors.New("the language host is stopping")

// run starts cmd, waits for it and returns its exit code. It stops the process when ctx ends.
func (c *children) run(ctx context.Context, cmd *exec.Cmd, stdout, stderr io.Writer) (int, error) {
	return c.supervise(ctx, cmd, stdout, stderr, cmd.Wait)
}

// supervise is run with another way to wait for the process.
func (c *children) supervise(
	ctx context.Context, cmd *exec.Cmd, stdout, stderr io.Writer, wait func() error,
) (int, error) {
	// The child dies with the thread that started it (see prepare), so that thread must stay until the child has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, drain
	prepare(cmd)
	ended, err := c.start(cmd)
	if err != nil {
		return 0, err
	}
	go func() {
		select {
		case <-ctx.Done():
			terminate(cmd, ended)
		case <-ended:
		}
	}()
	err = wait()
	c.forget(cmd, ended)
	return exitCode(cmd, err)
}

// stop ends every child, and refuses new ones from now on. It returns when all have ended.
func (c *children) stop() {
	c.mu.Lock()
	c.stopped = true
	var wait sync.WaitGroup
	for cmd, ended := range c.running {
		wait.Go(func() { terminate(cmd, ended) })
	}
	c.mu.Unlock()
	wait.Wait()
}

func (c *children) start(cmd *exec.Cmd) (chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, errStopped
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	c.running[cmd] = ended
	return ended, nil
}

func (c *children) forget(cmd *exec.Cmd, ended chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, cmd)
	close(ended)
}

// terminate asks with SIGTERM: on SIGINT, Python prints a KeyboardInterrupt trace into the diagnostics of every failed update.
func terminate(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(grace):
	}
	// Also for those that the child left behind in its group.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	select {
	case <-ended:
	case <-time.After(grace):
	}
}

func exitCode(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}
