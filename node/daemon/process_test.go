//go:build unix

package daemon

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// startProcess runs the node of a configuration file in a process of its own, and returns the lines of its event log.
func startProcess(tb testing.TB, file string) (*exec.Cmd, *bufio.Scanner) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+file)
	cmd.Stderr = os.Stderr
	out := must.Get(cmd.StdoutPipe())(tb)
	must.Do(tb, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// TestProcess_KilledKeepsReportedBlocks kills a mining node with SIGKILL again and again. Every block that it has printed
// must be on disk, and every line that it has printed must be complete.
func TestProcess_KilledKeepsReportedBlocks(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, 1)
	cfg.Genesis.Interval = 5 // blocks come about as fast as the disk stores them
	cfg.Mine = 20_000
	cfg.Genesis.Bits = 0x2000ffff
	file := configFile(t, cfg)
	printed := make(map[chain.Hash]bool)
	for round := range 8 {
		killAfter(t, file, 1+round*3, printed)
		s, blocks := openTestStore(t, cfg.Data, cfg.Genesis.Block().Hash())
		stored := make(map[chain.Hash]bool, len(blocks))
		for _, b := range blocks {
			stored[b.Hash()] = true
		}
		must.Do(t, s.close())
		for h := range printed {
			if !stored[h] {
				t.Errorf("round %d: block %s was printed but is not on disk", round, h)
			}
		}
	}
}

// killAfter runs a node, kills it at its n-th block event, and adds the blocks that it has printed to printed.
func killAfter(t *testing.T, file string, n int, printed map[chain.Hash]bool) {
	t.Helper()
	cmd, lines := startProcess(t, file)
	blocks := 0
	// Read until the pipe is closed, to get everything that was printed before the kill took effect.
	for lines.Scan() {
		var e node.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Errorf("line %q: %v", lines.Bytes(), err)
			continue
		}
		if e.Kind == node.EventStart && int(e.Height) < len(printed) {
			t.Errorf("the node started at height %d, %d blocks were printed before", e.Height, len(printed))
		}
		if e.Kind != node.EventBlock {
			continue
		}
		printed[*e.Hash] = true
		if blocks++; blocks == n {
			must.Do(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the node ended by itself")
	}
	if blocks < n {
		t.Fatalf("the node ended after %d blocks, want %d", blocks, n)
	}
}

// TestProcess_SignalsStopCleanly stops a node like an operator or a container engine does.
func TestProcess_SignalsStopCleanly(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, lines := startProcess(t, configFile(t, testConfig(t, 1)))
		var kinds []node.EventKind
		for lines.Scan() {
			var e node.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("line %q: %v", lines.Bytes(), err)
			}
			if kinds = append(kinds, e.Kind); e.Kind == node.EventStart {
				must.Do(t, cmd.Process.Signal(signal))
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v, want exit code 0", signal, err)
		}
		if want := []node.EventKind{node.EventStart, node.EventStop}; !slices.Equal(kinds, want) {
			t.Errorf("%v: events %v, want %v", signal, kinds, want)
		}
	}
}

// BenchmarkStart starts a node in a process of its own, waits for its first event, and stops it. It reports CPU time and
// the largest resident set; the test binary links more than the program, so both are upper bounds.
func BenchmarkStart(b *testing.B) {
	var cpu, rss float64
	runs := 0
	for b.Loop() {
		cmd, lines := startProcess(b, configFile(b, testConfig(b, 1)))
		if !lines.Scan() {
			b.Fatal("the node printed nothing")
		}
		must.Do(b, cmd.Process.Signal(os.Interrupt))
		must.Do(b, cmd.Wait())
		cpu += float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()) / 1000
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" {
			rss += float64(usage.Maxrss) / 1024 // the unit differs on other systems
		}
		runs++
	}
	b.ReportMetric(cpu/float64(runs), "cpu-ms/start")
	b.ReportMetric(rss/float64(runs), "MiB-rss")
}
