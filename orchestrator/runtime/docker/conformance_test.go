package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
)

// buildDir is where netsplit put the program; TestMain removes it.
var buildDir string

// netsplit builds the real program once, and returns the path of its file.
var netsplit = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "netsplit-test")
	if err != nil {
		return "", err
	}
	buildDir = dir
	file := filepath.Join(dir, "netsplit")
	build := exec.Command("go", "build", "-o", file, "github.com/netsplit/netsplit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return file, build.Run()
})

// realNode returns options whose image holds the real program.
func realNode(t testing.TB) Options {
	t.Helper()
	file, err := netsplit()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Lease: true, executable: file}
}

func TestConformance(t *testing.T) {
	needDocker(t)
	if testing.Short() {
		t.Skip("takes a minute")
	}
	opts := realNode(t)
	runtimetest.Run(t, func(t *testing.T) runtime.Runtime {
		r, err := New(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}, runtimetest.Shape)
}
