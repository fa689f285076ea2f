// The Python language host of the Pulumi CLI that tools/setup.py builds. The official CLI brings a host of its own; this one
// stands beside the built CLI because the official host's module is not published as a Go module.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

func main() {
	// The engine's address comes last, after logging and tracing flags that this host has no use for.
	h := &host{engine: os.Args[len(os.Args)-1], programs: newChildren(), plugins: newChildren()}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	gone := watchParent()

	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(srv *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(srv, h)
			return nil
		},
		Options: rpcutil.TracingServerInterceptorOptions(nil),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-python: cannot serve: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("%d\n", handle.Port)

	select {
	case <-signals:
	case <-gone:
	case err := <-handle.Done:
		if err != nil {
			fmt.Fprintf(os.Stderr, "pulumi-language-python: %v\n", err)
		}
	}
	// A graceful stop would wait for open RunPlugin streams, and the engine kills a host that lingers only after five seconds.
	h.programs.stop()
	h.plugins.stop()
	os.Exit(0)
}

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engine   string // address of the engine's gRPC server
	programs *children
	plugins  *children
}

func (h *host) Handshake(
	_ context.Context, req *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = req.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// Cancel stops the program. Plugins are left to their own Cancel, so that a provider can still save what it had begun.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.programs.stop()
	return &emptypb.Empty{}, nil
}

// watchParent closes the channel once the process that started this one is gone.
func watchParent() <-chan struct{} {
	gone := make(chan struct{})
	parent := os.Getppid()
	go func() {
		defer close(gone)
		for os.Getppid() == parent {
			time.Sleep(500 * time.Millisecond)
		}
	}()
	return gone
}
