package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

// toychain is a chain file for testdata/toychain.
const toychain = `name: toychain
description: A chain for tests.
image: {binary: ./toychain}
ports: {rpc: 7001}
prepare:
  - run: [init, /data]
    each: node
    files: {/data/x: x}
    keep: [/data]
start:
  args:
    - run
    - --rpc=0.0.0.0:{{.Ports.rpc}}
    - --network={{.Network}}
    - --name={{.Node.Name}}
    - '--peers={{range .Node.Peers}}{{.Addr}}:{{$.Ports.rpc}} {{end}}'
    - '--make={{if eq .Node.Index 0}}100ms{{else}}0s{{end}}'
rpc: {kind: jsonrpc2}
calls:
  status: {method: status}
  block: {method: block, params: ["{{int .Height}}"]}
  peers: {method: peers}
  send: {method: send, params: ["{{.From.Name}}-{{.Nonce}}"]}
observe:
  height: {call: status, jq: .height}
  head: {call: status, jq: .hash}
  block: {call: block, hash: .hash, parent: .parent, time: .time, txs: .txs}
  peers: {call: peers, jq: .}
act:
  submit: {call: send}
facts: {family: pow, quorum: 0, fork_depth: 6, block_interval: 100ms}
`

// workspace is a directory with netsplit and toychain, where commands run on real containers.
type workspace struct {
	t   *testing.T
	dir string
}

// needDocker skips the test where no engine answers; see must.Have.
func needDocker(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("containers for up to a minute")
	}
	_, err := docker.Available(t.Context())
	must.Have(t, "docker", err)
}

// buildToychain builds testdata/toychain, once, in buildDir.
var buildToychain = sync.OnceValues(func() (string, error) {
	file := filepath.Join(buildDir, "toychain")
	cmd := exec.Command("go", "build", "-o", file, "./testdata/toychain")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return file, nil
})

// newWorkspace makes a workspace. The test runs in parallel with others from then on.
func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	needDocker(t)
	t.Parallel()
	b := &workspace{t: t, dir: t.TempDir()}
	exe, err := os.Executable() // TestMain goes by the name
	must.Do(t, err)
	toychain := must.Get(buildToychain())(t)
	if err := errors.Join(os.Symlink(exe, filepath.Join(b.dir, "netsplit")), os.Link(toychain, filepath.Join(b.dir, "toychain"))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := b.left(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return b
}

// command is a call of netsplit with a state directory of its own.
func (b *workspace) command(ctx context.Context, args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	cmd = exec.CommandContext(ctx, filepath.Join(b.dir, "netsplit"), args...)
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, out, errs
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(b.dir, "state"))
	return cmd, out, errs
}

// file writes a chain file with replacements, given in pairs, and returns its name.
func (b *workspace) file(replace ...string) string {
	b.t.Helper()
	text := toychain
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			b.t.Fatalf("nothing to replace: %q", replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	must.Do(b.t, os.WriteFile(filepath.Join(b.dir, "toy.yaml"), []byte(text), 0o600))
	return "./toy.yaml"
}

// left lists the testnets whose directory is in this workspace.
func (b *workspace) left() []string {
	all, err := docker.List(context.WithoutCancel(b.t.Context()))
	if err != nil {
		b.t.Error(err)
	}
	var ids []string
	for _, t := range all {
		if strings.HasPrefix(t.Dir, b.dir+"/") {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// fails runs a command that must end with an exit code, print what matches the patterns, in which DIR is the workspace's directory,
// and leave nothing behind.
func (b *workspace) fails(code int, patterns []string, args ...string) {
	b.t.Helper()
	cmd, out, errs := b.command(b.t.Context(), args...)
	_ = cmd.Run() // the code says it
	if got := cmd.ProcessState.ExitCode(); got != code {
		b.t.Errorf("exit code %d, want %d", got, code)
	}
	text := out.String() + errs.String()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + strings.ReplaceAll(p, "DIR", regexp.QuoteMeta(b.dir))).MatchString(text) {
			b.t.Errorf("no match for %s", p)
		}
	}
	if b.t.Failed() {
		b.t.Log(text)
	}
	if left := b.left(); len(left) > 0 {
		b.t.Errorf("left behind: %v", left)
	}
}

func TestChainCheck_WorkingFile(t *testing.T) {
	b := newWorkspace(t)
	cmd, out, errs := b.command(t.Context(), "chain", "check", b.file(), "--json")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	var got chainChecked
	must.Do(t, json.Unmarshal(out.Bytes(), &got))
	if !got.OK || len(got.Stages) != 2 || got.Stages[1].Nodes != 2 || len(got.Invariants) == 0 {
		t.Errorf("%s", out)
	}
	for _, f := range got.Stages[1].Findings {
		if f.Outcome != "ok" && f.Outcome != "absent" {
			t.Errorf("%s is %s: %s", f.Name, f.Outcome, f.Note)
		}
	}
}

// TestChainCheck_Mistakes makes each mistake in a chain file that shows only when it is used.
func TestChainCheck_Mistakes(t *testing.T) {
	for name, x := range map[string]struct {
		replace []string
		code    int
		want    []string // patterns in what is printed
	}{
		"an image that is not there": {[]string{"{binary: ./toychain}", "{ref: netsplit-no-such-image:1}"}, 2, []string{
			`^./toy.yaml:3:1: make the image of chain toychain: image netsplit-no-such-image:1 is not on this machine`, `^ +3 \| image`, `hint: .*docker images`}},
		"a binary that is not there": {[]string{"./toychain", "./toychian"}, 2, []string{
			`^./toy.yaml:3:1: .*toychian: no such file`, `hint: the path begins where the chain file is: ` + `DIR/toychian`}},
		"a module version that is not there": {[]string{"{binary: ./toychain}", "{go: github.com/netsplit/netsplit/no/such/module@v9.9.9}"}, 2, []string{
			`^./toy.yaml:3:1: .*go install`, `hint: .go install`}},
		"a step that fails": {[]string{"run: [init, /data]", "run: [fail, 40]"}, 2, []string{
			`^./toy.yaml:6:5: prepare step 1 of 1, node node-1: run \["fail" "40"\]: .*ended with status 4; it printed:$`,
			`^    \| the first line says why$`, `^    \| usage line 39$`, `^ +6 \| +- run`, "hint: "}},
		"a step that leaves nothing": {[]string{"keep: [/data]", "keep: [/nothing]"}, 2, []string{`^./toy.yaml:6:5: prepare step 1 of 1, node node-1: .*/nothing`}},
		"a node that exits at once": {[]string{"    - run\n", "    - ruin\n"}, 3, []string{
			`node node-1 exited by itself: exited with status 2$`, `at     ./toy.yaml:10:1$`, `^    \| unknown command ruin$`}},
		"a port on which nothing listens": {[]string{"0.0.0.0:{{.Ports.rpc}}", "0.0.0.0:7002"}, 3, []string{
			`^ observe.height +FAILED \(1\)`, `call status \(./toy.yaml:20:3\): .*connection refused$`, `hint   nothing listens there`, `^    \| block height=`}},
		"a method that the node does not have": {[]string{"{method: peers}", "{method: pears}"}, 3, []string{
			`^ observe.peers +FAILED \(1\) +FAILED \(2\)`, `error -32601: no method pears$`, `at     ./toy.yaml:22:3$`, `hint   the node does not know this request`}},
		"jq that gives null": {[]string{"jq: .height", "jq: .heigth"}, 3, []string{
			`at     ./toy.yaml:25:30$`, `jq     .heigth$`, `reply  .*"hash"`, `it     gives null, which is not a whole number$`, `the reply has no heigth; did you mean height\?`}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorkspace(t)
			b.fails(x.code, x.want, "chain", "check", "--start-timeout", "4s", b.file(x.replace...))
			if left, _ := filepath.Glob(filepath.Join(b.dir, "state", "netsplit", "runs", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// waiting starts a check whose preparation never ends and waits until it is under way.
func (b *workspace) waiting() *exec.Cmd {
	b.t.Helper()
	cmd, out, errs := b.command(b.t.Context(), "chain", "check", b.file("run: [init, /data]", "run: [wait]"))
	must.Do(b.t, cmd.Start())
	deadline := time.Now().Add(time.Minute)
	for b.running("command") == 0 {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			b.t.Fatalf("the step did not begin\n%s%s", out, errs)
		}
		<-time.After(100 * time.Millisecond)
	}
	return cmd
}

// running counts the containers of this workspace that are of a kind.
func (b *workspace) running(kind string) int {
	text, err := exec.CommandContext(context.WithoutCancel(b.t.Context()), "docker", "ps", "--filter", "label=dev.netsplit.kind="+kind,
		"--format", `{{.Label "dev.netsplit.dir"}}`).Output()
	must.Do(b.t, err)
	return strings.Count(string(text), b.dir+"/")
}

func TestChainCheck_InterruptedLeavesNothing(t *testing.T) {
	b := newWorkspace(t)
	cmd := b.waiting()
	must.Do(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "state", "netsplit", "runs", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDown_AfterKilledCheck: nothing cleans up after SIGKILL, so what is left is labelled with the testnet's id.
func TestDown_AfterKilledCheck(t *testing.T) {
	b := newWorkspace(t)
	cmd := b.waiting()
	must.Do(t, cmd.Process.Kill())
	_ = cmd.Wait()
	left := b.left()
	if len(left) != 1 || b.running("command") != 1 {
		t.Fatalf("left %v, %d commands, want one testnet with its command", left, b.running("command"))
	}
	down, out, errs := b.command(t.Context(), "down", left[0])
	if err := down.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if left := b.left(); len(left) > 0 || b.running("command") > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestStart_FailingNodes: what shows only when nodes run ends a command with the node, its last lines and what to do.
func TestStart_FailingNodes(t *testing.T) {
	const ruin, first = "{{if eq .Node.Name \"full-1\"}}ruin{{else}}run{{end}}", "    - run\n"
	for name, x := range map[string]struct {
		args    []string
		replace []string
		want    []string // patterns in what is printed
	}{
		"up: a node that exits at once": {[]string{"up", "--detach"}, []string{first, "    - '" + ruin + "'\n"}, []string{
			`^netsplit: run node full-1: exited with status 2`, `^    \| unknown command ruin$`, `hint: .*It is started as ./toy.yaml:10:1 says$`}},
		"run: a node that exits at once": {[]string{"run", "quickstart"}, []string{first, "    - '" + ruin + "'\n"}, []string{
			`^netsplit: run node full-1: exited with status 2`, `^    \| unknown command ruin$`, `hint: .*It is started as ./toy.yaml:10:1 says$`}},
		"run: blocks of which nothing can be made": {[]string{"run", "quickstart"}, []string{"hash: .hash, parent", "hash: .hush, parent"}, []string{
			`^netsplit: observe node .*./toy.yaml:27:30: node .*, observe.block.hash: jq .hush gives null`, `^    \| block height=`, `hint: the reply has no hush; did you mean hash\?`}},
		"run: nobody knows anybody": {[]string{"run", "quickstart"}, []string{"peers={{range .Node.Peers}}{{.Addr}}:{{$.Ports.rpc}} {{end}}", "peers="}, []string{
			`^netsplit: connect node .*: connected to 0 peers, waiting for 1`, `hint: the nodes do not find each other: .*It is started as ./toy.yaml:10:1 says$`}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorkspace(t)
			b.fails(exitInfrastructure, x.want, append(x.args, "--start-timeout", "6s", "--chain", b.file(x.replace...))...)
		})
	}
}

func TestChainImage_Mistake(t *testing.T) {
	b := newWorkspace(t)
	cmd, out, errs := b.command(t.Context(), "chain", "image", b.file("./toychain", "./toychian"))
	_ = cmd.Run() // the code says it
	if code := cmd.ProcessState.ExitCode(); code != exitUsage || out.Len() > 0 ||
		!strings.HasPrefix(errs.String(), "./toy.yaml:3:1: make the image of chain toychain: ") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
