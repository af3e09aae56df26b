package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// needDocker skips a test where no engine answers; see must.Have.
func needDocker(t testing.TB) {
	t.Helper()
	_, err := Available(t.Context())
	must.Have(t, "docker", err)
}

// record is a Sink that records everything.
type record struct {
	mu     sync.Mutex
	lines  map[faults.NodeID][]string
	exits  map[faults.NodeID][]string
	gaps   []error
	change chan struct{}
}

func newRecord() *record {
	return &record{
		lines: map[faults.NodeID][]string{}, exits: map[faults.NodeID][]string{}, change: make(chan struct{}),
	}
}

func (r *record) note(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
	close(r.change)
	r.change = make(chan struct{})
}

func (r *record) Line(n faults.NodeID, _ time.Time, b []byte) {
	r.note(func() { r.lines[n] = append(r.lines[n], string(b)) })
}

func (r *record) Gap(_ faults.NodeID, err error) { r.note(func() { r.gaps = append(r.gaps, err) }) }

func (r *record) Exit(n faults.NodeID, err error) {
	r.note(func() {
		r.exits[n] = append(r.exits[n], fmt.Sprintf("%v after %d lines", err, len(r.lines[n])))
	})
}

func (r *record) External(n faults.NodeID, err *runtime.ExternalError) {
	r.note(func() { r.exits[n] = append(r.exits[n], err.Error()) })
}

// until waits for a condition on what was recorded.
func (r *record) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		r.mu.Lock()
		ok, change := cond(), r.change
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("%s: never happened; exits %v, gaps %v, lines %v", what, r.exits, r.gaps, r.lines)
		}
	}
}

// testnet makes and launches a testnet of n nodes of the test program.
func testnet(t testing.TB, n int, sink runtime.Sink, opts Options) (*Runtime, []runtime.Host) {
	t.Helper()
	r, hosts := created(t, n, sink, opts)
	must.Do(t, r.Launch(t.Context(), launches(hosts), nil))
	return r, hosts
}

func created(t testing.TB, n int, sink runtime.Sink, opts Options) (*Runtime, []runtime.Host) {
	t.Helper()
	r := open(t, opts)
	return r, must.Get(r.Create(t.Context(), testPlan(t, n, sink)))(t)
}

// names counts the names given by uniqueName.
var names atomic.Uint64

// uniqueName returns a name that no other test of this host uses.
func uniqueName(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), names.Add(1))
}

func testPlan(t testing.TB, n int, sink runtime.Sink) runtime.Plan {
	plan := runtime.Plan{
		ID:   uniqueName("test"),
		Name: "test", Dir: t.TempDir(), Sink: sink,
	}
	for i := range n {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: faults.NodeID(fmt.Sprintf("n-%d", i+1)), Role: "n"})
	}
	return plan
}

func launches(hosts []runtime.Host) []runtime.Launch {
	out := make([]runtime.Launch, len(hosts))
	for i, h := range hosts {
		out[i] = runtime.Launch{ID: h.ID, Args: []string{"node"}, Files: map[string][]byte{
			"/etc/netsplit/node.json": []byte(h.ID), "/srv/deep/down/file": []byte("deep"),
		}}
	}
	return out
}

// get sends a request to a node over HTTP until it answers.
func get(t *testing.T, r interface{ Transport() http.RoundTripper }, h runtime.Host, path string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := http.Client{Transport: r.Transport()}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", h.Addr, runtime.APIPort, path), nil)
		must.Do(t, err)
		res, err := c.Do(req)
		if err != nil {
			if strings.Contains(err.Error(), "refused") && ctx.Err() == nil {
				continue // it does not listen yet
			}
			return "", err
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status + ": " + string(b))
		}
		return string(b), err
	}
}

func mustGet(t *testing.T, r interface{ Transport() http.RoundTripper }, h runtime.Host, path string) string {
	t.Helper()
	s, err := get(t, r, h, path)
	if err != nil {
		t.Fatalf("%s of %s: %v", path, h.ID, err)
	}
	return s
}

func do(t *testing.T, r interface {
	Do(context.Context, faults.Action) error
}, v faults.Verb, id faults.NodeID) {
	t.Helper()
	must.Do(t, r.Do(t.Context(), faults.Action{Verb: v, Node: id}))
}

// open returns a runtime without a testnet.
func open(t testing.TB, opts ...Options) *Runtime {
	t.Helper()
	needDocker(t)
	r := must.Get(New(t.Context(), append(opts, Options{})[0]))(t)
	t.Cleanup(func() { must.Check(t, r.Close(context.Background())) })
	return r
}

// buildDir is where a program is built for tests; TestMain removes it.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "netsplit-test") })

// buildHelper builds testdata/helper once.
var buildHelper = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "helper")
	cmd := exec.Command("go", "build", "-o", file, "./testdata/helper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // it must run in an image that has nothing else
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return file, nil
})

// helper is the path of a small program for images.
func helper(t *testing.T) string {
	t.Helper()
	file := must.Get(buildHelper())(t)
	return file
}

func helperImage(t *testing.T, r *Runtime) string {
	t.Helper()
	ref := must.Get(r.BuildImage(t.Context(), runtime.ImageSource{Binary: helper(t)}, nil))(t)
	return ref
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	must.Do(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

// removeImageAfter removes an image at the end of a test: by force, because containers of it go only later, with Close.
func removeImageAfter(t *testing.T, r *Runtime, ref string) {
	t.Cleanup(func() {
		if _, err := r.cli.ImageRemove(context.WithoutCancel(t.Context()), ref, image.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
}

// wantEmpty checks that a directory is empty.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// listing describes the entries of a tar archive.
func listing(t *testing.T, archive []byte, describe func(h *tar.Header, text []byte) string) string {
	t.Helper()
	var out []string
	for tr := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return strings.Join(out, " ")
		}
		must.Do(t, err)
		out = append(out, describe(h, must.Get(io.ReadAll(tr))(t)))
	}
}
