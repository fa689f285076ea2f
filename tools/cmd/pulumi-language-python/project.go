package main

import (
	"context"
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
	ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	tool, err := resolve(req.GetInfo())
	if err != nil {
		return nil, err
	}
	packages, err := tool.ListPackages(ctx, req.GetTransitiveDependencies())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, pkg := range packages {
		response.Dependencies = append(response.Dependencies,
			&pulumirpc.DependencyInfo{Name: pkg.Name, Version: pkg.Version})
	}
	return response, nil
}

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
