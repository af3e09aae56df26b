package daemon

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// TestProcess_KilledKeepsReportedBlocks kills a mining node with SIGKILL again and again. Whatever block it had printed must
// be on disk, and every line it printed must be whole.
func TestProcess_KilledKeepsReportedBlocks(t *testing.T) {
	cfg := testConfig(t, 1)
	cfg.Genesis.Interval = 5 // blocks arrive about as fast as the disk takes them
	cfg.Mine = 20_000
	cfg.Genesis.Bits = 0x2000ffff
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "node.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	printed := make(map[chain.Hash]bool)
	for round := range 8 {
		killAfter(t, file, 1+round*3, printed)
		s, blocks, err := openStore(cfg.Data, cfg.Genesis.Block().Hash())
		if err != nil {
			t.Fatalf("round %d: open the store of the killed node: %v", round, err)
		}
		stored := make(map[chain.Hash]bool, len(blocks))
		for _, b := range blocks {
			stored[b.Hash()] = true
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		for h := range printed {
			if !stored[h] {
				t.Errorf("round %d: block %s was printed but is not on disk", round, h)
			}
		}
	}
}

// TestProcess_SignalsStopCleanly ends a node as an operator or a container engine does.
func TestProcess_SignalsStopCleanly(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		text, err := json.Marshal(testConfig(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "node.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childConfig+"="+file)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var kinds []node.EventKind
		for s := bufio.NewScanner(out); s.Scan(); {
			var e node.Event
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				t.Errorf("line %q: %v", s.Bytes(), err)
			}
			if kinds = append(kinds, e.Kind); e.Kind == node.EventStart {
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
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

// killAfter runs the node in a process of its own, kills it at its n-th block event, and adds the blocks it printed.
func killAfter(t *testing.T, file string, n int, printed map[chain.Hash]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	blocks := 0
	// The loop ends with the pipe, so that it also reads what was printed before the kill took effect.
	for s := bufio.NewScanner(out); s.Scan(); {
		var e node.Event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Errorf("line %q: %v", s.Bytes(), err)
			continue
		}
		if e.Kind != node.EventBlock {
			continue
		}
		printed[*e.Hash] = true
		if blocks++; blocks == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the node ended by itself")
	}
	if blocks < n {
		t.Fatalf("the node ended after %d blocks, want %d", blocks, n)
	}
}

// BenchmarkStart starts a node as a process of its own, waits for its first event, and stops it. The test binary links
// more than the program does, so that the figures are upper bounds: CPU and the largest resident set.
//
//	go test ./node/daemon -run '^$' -bench Start
func BenchmarkStart(b *testing.B) {
	var cpu, rss float64
	runs := 0
	for b.Loop() {
		text, err := json.Marshal(testConfig(b, 1))
		if err != nil {
			b.Fatal(err)
		}
		file := filepath.Join(b.TempDir(), "node.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childConfig+"="+file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		if s := bufio.NewScanner(out); !s.Scan() {
			b.Fatal("the node printed nothing")
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			b.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		cpu += float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()) / 1000
		rss += maxRSS(cmd.ProcessState)
		runs++
	}
	b.ReportMetric(cpu/float64(runs), "cpu-ms/start")
	b.ReportMetric(rss/float64(runs), "MiB-rss")
}
