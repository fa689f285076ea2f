package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// GetRequiredPackages answers that nothing is known beforehand: the engine then fetches a plugin when a resource first asks for it.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	cmd, err := command(req.GetInfo(), "-c", "import platform; print(platform.python_version())")
	if err != nil {
		return nil, err
	}
	version, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: cmd.Path, Version: strings.TrimSpace(string(version))}, nil
}

func (h *host) GetProgramDependencies(
	_ context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	scope := "direct"
	if req.GetTransitiveDependencies() {
		scope = "all"
	}
	cmd, err := command(req.GetInfo(), "-c", listPackages, scope)
	if err != nil {
		return nil, err
	}
	listing, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	return response, json.Unmarshal(listing, &response.Dependencies)
}

// Asks Python itself: an environment that uv made has no pip to ask.
const listPackages = `
import importlib.metadata as m, json, re, sys
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
found = {plain(d.metadata["Name"]): d for d in m.distributions() if d.metadata["Name"]}
if sys.argv[1] == "direct":
    asked = [r for d in found.values() for r in d.requires or () if "extra ==" not in r]
    needed = {plain(re.split(r"[^\w.-]", r)[0]) for r in asked}
    found = {name: d for name, d in found.items() if name not in needed}
print(json.dumps([{"name": d.metadata["Name"], "version": d.version} for _, d in sorted(found.items())]))
`

type installStream = grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse]

// InstallDependencies leaves an environment alone that uv made: pip's toolchain would run `python -m venv` over it.
func (h *host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, stream installStream) error {
	stdout := writerFunc(func(data []byte) error {
		return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: data})
	})
	stderr := writerFunc(func(data []byte) error {
		return stream.Send(&pulumirpc.InstallDependenciesResponse{Stderr: data})
	})
	if venv := virtualenv(req.GetInfo()); option(req.GetInfo(), "toolchain") == "pip" && madeByUv(venv) {
		_, err := stdout.Write([]byte("Kept " + venv + ": uv made it, and its lock file says what belongs in it.\n"))
		return err
	}
	tool, err := resolve(req.GetInfo())
	if err != nil {
		return err
	}
	return tool.InstallDependencies(
		stream.Context(), req.GetDirectory(), req.GetUseLanguageVersionTools(), true, stdout, stderr)
}

func madeByUv(venv string) bool {
	config, err := os.ReadFile(filepath.Join(venv, "pyvenv.cfg"))
	return err == nil && strings.Contains("\n"+string(config), "\nuv = ")
}
