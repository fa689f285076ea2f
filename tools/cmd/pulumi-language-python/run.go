package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// A program ends with this code when it has already told the user what is wrong.
const exitReported = 32

// Run executes a Pulumi program.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if req.GetAttachDebugger() {
		return &pulumirpc.RunResponse{Error: "this language host cannot attach a debugger; use the official Pulumi CLI"}, nil
	}
	shim, err := beside("pulumi-language-python-exec")
	if err != nil {
		return nil, err
	}
	cmd, err := command(req.GetInfo(), append([]string{shim}, programArgs(h.engine, req)...)...)
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	cmd.Dir = req.GetPwd()
	cmd.Env = append(cmd.Env, configEnv(req.GetConfig(), req.GetConfigSecretKeys())...)

	code, err := h.programs.run(ctx, cmd, writerOnly{os.Stdout}, writerOnly{os.Stderr})
	switch {
	case err != nil:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program could not be run: %v", err)}, nil
	case code == 0:
		return &pulumirpc.RunResponse{}, nil
	case code == exitReported:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case code < 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program was ended by a signal (%v)", cmd.ProcessState)}, nil
	}
	return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program exited with code %d", code)}, nil
}

func programArgs(engine string, req *pulumirpc.RunRequest) []string {
	info := req.GetInfo()
	args := []string{
		"--root_directory", info.GetRootDirectory(),
		"--project", req.GetProject(),
		"--stack", req.GetStack(),
		"--organization", req.GetOrganization(),
		"--parallel", strconv.Itoa(int(req.GetParallel())),
		"--dry_run", strconv.FormatBool(req.GetDryRun()),
		"--monitor", req.GetMonitorAddress(),
		"--engine", engine,
		"--pwd", req.GetPwd(),
		filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint()),
	}
	return append(args, req.GetArgs()...)
}

// configEnv hands the stack's configuration to Python. The SDK fails on null, so nothing is written as an empty object or list.
func configEnv(config map[string]string, secretKeys []string) []string {
	if config == nil {
		config = map[string]string{}
	}
	if secretKeys == nil {
		secretKeys = []string{}
	}
	values, _ := json.Marshal(config)
	keys, _ := json.Marshal(secretKeys)
	return []string{"PULUMI_CONFIG=" + string(values), "PULUMI_CONFIG_SECRET_KEYS=" + string(keys)}
}

// writerOnly hides that a stream is a file. A child would inherit a file, and whatever the child leaves behind would then hold
// this host's output open; it gets a pipe instead.
type writerOnly struct{ file *os.File }

func (w writerOnly) Write(data []byte) (int, error) { return w.file.Write(data) }
