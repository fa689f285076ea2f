package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// interpreter finds the Python of a program or plugin, and the directory of its virtual environment ("" for none).
// The interpreter is run directly also under uv and poetry: asking them costs 50 ms and may reach for the network.
func interpreter(info *pulumirpc.ProgramInfo) (python, venv string, err error) {
	if venv = virtualenv(info); venv != "" {
		python = filepath.Join(venv, "bin", "python")
		if _, err := os.Stat(python); err != nil {
			return "", "", status.Errorf(codes.FailedPrecondition,
				"no Python at %s; wanted the virtual environment named by 'virtualenv' of %s; "+
					"create it, or run 'pulumi install'", python, info.GetRootDirectory())
		}
		return python, venv, nil
	}
	for _, name := range []string{os.Getenv("PULUMI_PYTHON_CMD"), "python3", "python"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path, "", nil
		}
	}
	return "", "", status.Error(codes.FailedPrecondition,
		"no Python: no 'virtualenv' is set in Pulumi.yaml and there is no python3 on PATH")
}

// command is Python with the environment of the program's virtual environment.
func command(info *pulumirpc.ProgramInfo, args ...string) (*exec.Cmd, error) {
	python, venv, err := interpreter(info)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(python, append([]string{"-u"}, args...)...)
	cmd.Env = os.Environ()
	if venv != "" {
		cmd.Env = toolchain.ActivateVirtualEnv(cmd.Env, venv)
	}
	return cmd, nil
}

// resolve is Pulumi's own view of the project's package manager, for what it does better: install and list.
func resolve(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options := toolchain.PythonOptions{
		Root:       info.GetRootDirectory(),
		ProgramDir: info.GetProgramDirectory(),
		Virtualenv: option(info, "virtualenv"),
	}
	switch name := option(info, "toolchain"); name {
	case "", "auto":
		options.Toolchain = toolchain.Auto
	case "pip":
		options.Toolchain = toolchain.Pip
	case "poetry":
		options.Toolchain = toolchain.Poetry
	case "uv":
		options.Toolchain = toolchain.Uv
	default:
		return nil, status.Errorf(codes.InvalidArgument,
			"unknown toolchain %q in Pulumi.yaml; wanted pip, poetry, uv or auto", name)
	}
	return toolchain.ResolveToolchain(options)
}

func virtualenv(info *pulumirpc.ProgramInfo) string {
	root := info.GetRootDirectory()
	if path := option(info, "virtualenv"); path != "" {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(root, path)
	}
	if tool := option(info, "toolchain"); tool == "pip" || tool == "poetry" {
		return ""
	}
	// uv's rule: the environment stands beside the nearest lock file.
	for dir := info.GetProgramDirectory(); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "uv.lock")); err == nil {
			return filepath.Join(dir, ".venv")
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func option(info *pulumirpc.ProgramInfo, name string) string {
	value := info.GetOptions().GetFields()[name]
	return strings.TrimSpace(value.GetStringValue())
}

// beside is the path of a file that stands next to this executable.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is missing; it belongs beside %s: %w", name, self, err)
	}
	return path, nil
}
