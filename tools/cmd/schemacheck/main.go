// schemacheck binds a Pulumi package schema with Pulumi's own code and prints what is wrong with it.
//
//	schemacheck [schema.json]    reads standard input without an argument; exit 1 on errors, 2 where it cannot be read
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/blang/semver"
	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	text, err := read(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemacheck:", err)
		os.Exit(2)
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		fmt.Fprintln(os.Stderr, "error: not a package schema:", err)
		os.Exit(1)
	}
	_, diagnostics, err := schema.BindSpec(spec, nothing{}, schema.ValidationOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	for _, d := range diagnostics {
		fmt.Fprintf(os.Stderr, "%s: %s %s\n", severity(d), d.Summary, d.Detail)
	}
	if diagnostics.HasErrors() {
		os.Exit(1)
	}
	fmt.Printf("%s: %d resources, %d types, %d functions\n",
		spec.Name, len(spec.Resources), len(spec.Types), len(spec.Functions))
}

func read(args []string) ([]byte, error) {
	if len(args) == 0 {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(args[0])
}

func severity(d *hcl.Diagnostic) string {
	if d.Severity == hcl.DiagError {
		return "error"
	}
	return "warning"
}

// nothing is a loader without packages: the schemas checked here refer to none but themselves.
type nothing struct{}

func (nothing) LoadPackage(name string, _ *semver.Version) (*schema.Package, error) {
	return nil, fmt.Errorf("the schema refers to package %q, and other packages are not looked up", name)
}

func (n nothing) LoadPackageV2(_ context.Context, descriptor *schema.PackageDescriptor) (*schema.Package, error) {
	return n.LoadPackage(descriptor.Name, descriptor.Version)
}
