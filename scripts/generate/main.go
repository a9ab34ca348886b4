// Writes the descriptor set of every protobuf message that Heddle speaks, and the manifest of where they come from.
//
// Development only: run it through scripts/generate.ts. The files are those linked into this program (imports.go), plus
// the few .proto files of the project's own folder that no Go module carries.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Modules whose descriptors end up in the set, with their licences (read from the LICENSE file of each).
var licences = map[string]string{
	"cel.dev/expr":           "Apache-2.0",
	"github.com/cncf/xds/go": "Apache-2.0",
	"github.com/envoyproxy/go-control-plane/envoy": "Apache-2.0",
	"github.com/envoyproxy/protoc-gen-validate":    "Apache-2.0",
	"github.com/prometheus/client_model":           "Apache-2.0",
	"go.opentelemetry.io/proto/otlp":               "Apache-2.0",
	"google.golang.org/genproto/googleapis/api":    "Apache-2.0",
	"google.golang.org/genproto/googleapis/rpc":    "Apache-2.0",
	"google.golang.org/grpc":                       "Apache-2.0",
	"google.golang.org/protobuf":                   "BSD-3-Clause",
	"istio.io/api":                                 "Apache-2.0",
}

func main() {
	out := flag.String("out", "", "descriptor set to write")
	versions := flag.String("versions", "", "manifest to write")
	supplement := flag.String("supplement", "", "folder of the .proto files that no module carries")
	flag.Parse()
	files, err := collect(*supplement)
	if err != nil {
		fail(err)
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		fail(err)
	}
	if err := os.WriteFile(*out, bytes, 0o644); err != nil {
		fail(err)
	}
	if err := os.WriteFile(*versions, []byte(manifest(len(files))), 0o644); err != nil {
		fail(err)
	}
	fmt.Printf("%d files, %d bytes\n", len(files), len(bytes))
}

// collect returns every file, imports before their importers and otherwise sorted by path, without source info.
func collect(supplement string) ([]*descriptorpb.FileDescriptorProto, error) {
	var files []*descriptorpb.FileDescriptorProto
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if fd.Path() == "google/protobuf/go_features.proto" || fd.Path() == "google/protobuf/cpp_features.proto" {
			return true
		}
		files = append(files, protodesc.ToFileDescriptorProto(fd))
		return true
	})
	extra, err := compile(supplement)
	if err != nil {
		return nil, err
	}
	files = append(files, extra...)
	sort.Slice(files, func(i, j int) bool { return files[i].GetName() < files[j].GetName() })
	return importsFirst(files), nil
}

func importsFirst(files []*descriptorpb.FileDescriptorProto) []*descriptorpb.FileDescriptorProto {
	byName := map[string]*descriptorpb.FileDescriptorProto{}
	for _, file := range files {
		byName[file.GetName()] = file
	}
	var ordered []*descriptorpb.FileDescriptorProto
	added := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		file, ok := byName[name]
		if !ok || added[name] {
			return
		}
		added[name] = true
		for _, dependency := range file.GetDependency() {
			add(dependency)
		}
		ordered = append(ordered, file)
	}
	for _, file := range files {
		add(file.GetName())
	}
	return ordered
}

// compile turns the project's own .proto files into descriptors; their imports come from the linked files.
func compile(folder string) ([]*descriptorpb.FileDescriptorProto, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".proto") {
			relative, relErr := filepath.Rel(folder, path)
			names = append(names, filepath.ToSlash(relative))
			return relErr
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{folder}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
				return protocompile.SearchResult{Desc: fd}, err
			}),
		},
	}
	compiled, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	var files []*descriptorpb.FileDescriptorProto
	for _, file := range compiled {
		files = append(files, protodesc.ToFileDescriptorProto(file))
	}
	return files, nil
}

// manifest lists the modules, their versions and licences.
func manifest(count int) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fail(fmt.Errorf("no build info"))
	}
	lines := []string{
		"# Where the descriptors in src/proto/generated come from: Go module, version, licence. Written by scripts/generate.ts.",
		fmt.Sprintf("# %d files in all; the .proto files in proto/supplement are described in their own headers.", count),
	}
	for _, module := range info.Deps {
		if licence, used := licences[module.Path]; used {
			lines = append(lines, fmt.Sprintf("%s %s %s", module.Path, module.Version, licence))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "generate:", err)
	os.Exit(1)
}
