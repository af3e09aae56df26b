package daemon

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

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
