package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

type pluginStream = grpc.ServerStreamingServer[pulumirpc.RunPluginResponse]

// RunPlugin executes a provider or a policy pack written in Python, until it ends or the engine closes the stream.
func (h *host) RunPlugin(req *pulumirpc.RunPluginRequest, stream pluginStream) error {
	if req.GetAttachDebugger() {
		return fmt.Errorf("this language host cannot attach a debugger; use the official Pulumi CLI")
	}
	out := &output{stream: stream}
	code, err := h.runPlugin(req, stream.Context(), out)
	if err != nil {
		return err
	}
	return out.send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)}})
}

func (h *host) runPlugin(req *pulumirpc.RunPluginRequest, ctx context.Context, out *output) (int, error) {
	directory := req.GetInfo().GetProgramDirectory()
	if req.GetKind() == "analyzer" {
		return h.runPolicyPack(req, ctx, directory, out)
	}
	cmd, err := command(req.GetInfo(), append([]string{directory}, req.GetArgs()...)...)
	if err != nil {
		return 0, err
	}
	cmd.Dir = req.GetPwd()
	cmd.Env = append(cmd.Env, req.GetEnv()...)
	return h.plugins.run(ctx, cmd, out.stdout(), out.stderr())
}

// runPolicyPack puts Pulumi's proxy before the pack: the Python library takes the stack's configuration from its environment at
// start, while the engine sends it only once the pack serves.
func (h *host) runPolicyPack(
	req *pulumirpc.RunPluginRequest, ctx context.Context, directory string, out *output,
) (int, error) {
	proxy, stdout, err := sdk.NewPolicyProxy(ctx, out.stdout())
	if err != nil {
		return 0, err
	}
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil {
		return 0, err
	}
	args := append([]string{"-m", "pulumi.policy"}, req.GetArgs()...)
	cmd, err := command(req.GetInfo(), append(args, directory)...)
	if err != nil {
		return 0, err
	}
	cmd.Dir = directory
	cmd.Env = append(append(cmd.Env, req.GetEnv()...), stackEnv(stack)...)
	return h.plugins.supervise(ctx, cmd, stdout, out.stderr(), func() error { return proxy.Attach(ctx, cmd) })
}

func stackEnv(stack *pulumirpc.AnalyzerStackConfigureRequest) []string {
	if stack == nil {
		return nil
	}
	return append(configEnv(stack.GetConfig(), stack.GetConfigSecretKeys()),
		"PULUMI_ORGANIZATION="+stack.GetOrganization(),
		"PULUMI_PROJECT="+stack.GetProject(),
		"PULUMI_STACK="+stack.GetStack(),
		"PULUMI_DRY_RUN="+strconv.FormatBool(stack.GetDryRun()))
}

// output sends a plugin's output to the engine; a gRPC stream takes one message at a time.
type output struct {
	mu     sync.Mutex
	stream pluginStream
}

func (o *output) send(response *pulumirpc.RunPluginResponse) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream.Send(response)
}

func (o *output) stdout() io.Writer {
	return writerFunc(func(data []byte) error {
		return o.send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: data}})
	})
}

func (o *output) stderr() io.Writer {
	return writerFunc(func(data []byte) error {
		return o.send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: data}})
	})
}

type writerFunc func(data []byte) error

func (f writerFunc) Write(data []byte) (int, error) {
	if err := f(data); err != nil {
		return 0, err
	}
	return len(data), nil
}
