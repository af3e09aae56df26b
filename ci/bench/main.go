// Bench runs the benchmarks of docs/benchmarks.md and prints its table. Benchmarks of containers and of the kernel need
// Docker and root. `go run ./ci/bench -only sim` runs those whose name begins with sim.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
)

// figure is a row of the table: a metric of a benchmark and its budget.
type figure struct {
	name      string
	pkg       string
	benchmark string // pattern; the first line of its output with the metric is used
	metric    string // unit, as `go test -bench` prints it
	scale     float64
	unit      string // after scaling
	budget    string
	time      string // -benchtime
}

var figures = []figure{
	{"docker: Launch of 50 nodes / the engine's own client", "./orchestrator/runtime/docker", "BenchmarkLaunch/nodes=50", "launch-ratio", 1, "x", "<= 1.25 x", "2x"},
	{"docker: 50 nodes, from nothing to all started / the engine's own client", "./orchestrator/runtime/docker", "BenchmarkLaunch/nodes=50", "up-ratio", 1, "x", "<= 1.25 x", "2x"},
	{"faults: cut and heal of 100 nodes, two transactions", "./faults/shape", "BenchmarkCut100Nodes", "ns/op", 1e-6, "ms", "<= 200 ms", "10x"},
	{"faults: the same by calls to the agent", "./faults/agent", "BenchmarkCutAndHeal100NodesByCall", "ns/op", 1e-6, "ms", "<= 200 ms", "10x"},
	{"faults: throughput of one 50 ms link", "./faults/shape", "BenchmarkThroughput50ms", "Mbit/s", 1, "Mbit/s", ">= 500 Mbit/s", "3x"},
	{"faults: delay error, 10 ms planned", "./faults/agent", "BenchmarkDelayError/10ms", "us-late", 1e-3, "ms", "<= 1 ms", "3x"},
	{"faults: delay error, 50 ms planned", "./faults/agent", "BenchmarkDelayError/50ms", "us-late", 1e-3, "ms", "<= 1 ms", "3x"},
	{"faults: delay error, 500 ms planned", "./faults/agent", "BenchmarkDelayError/500ms", "us-late", 1e-3, "ms", "<= 1 ms", "3x"},
	{"sim: link deliveries, 1,000 nodes", "./orchestrator/runtime/sim", "BenchmarkDelivery/1000", "deliveries/s", 1e-6, "M/s", ">= 1 M/s", "2s"},
	{"sim: link deliveries, 10,000 nodes", "./orchestrator/runtime/sim", "BenchmarkDelivery/10000", "deliveries/s", 1e-6, "M/s", ">= 1 M/s", "2s"},
	{"sim: memory", "./orchestrator/runtime/sim", "BenchmarkMemory", "KiB/node", 1, "KiB/node", "<= 64 KiB/node", "1x"},
	{"sim: 10,000 nodes x 100 blocks", "./orchestrator/runtime/sim", "BenchmarkTenThousand", "ns/op", 1e-9, "s", "< 60 s", "1x"},
	{"checkers: events of 100 nodes", "./orchestrator/invariant", "BenchmarkJudge/100nodes", "events/s", 1e-6, "M/s", ">= 0.5 M/s", "2s"},
	{"checkers: reading the file too", "./orchestrator/invariant", "BenchmarkJudgeFile", "events/s", 1e-6, "M/s", ">= 0.5 M/s", "2s"},
	{"node: CPU to start", "./node/daemon", "BenchmarkStart", "cpu-ms/start", 1, "ms", "<= 60 ms", "5x"},
	{"node: peak memory of a start", "./node/daemon", "BenchmarkStart", "MiB-rss", 1, "MiB", "<= 35 MiB", "5x"},
	{"node: a duplicate delivery", "./node", "BenchmarkDuplicate", "ns/op", 1, "ns", "", "1s"},
}

func main() {
	only := flag.String("only", "", "run the benchmarks whose name begins with this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	fmt.Println("| what | measured | budget | command |")
	fmt.Println("| --- | --- | --- | --- |")
	outputs := make(map[string]string)
	for _, f := range figures {
		if !strings.HasPrefix(f.name, only) {
			continue
		}
		args := []string{"test", f.pkg, "-run", "^$", "-bench", f.benchmark, "-benchtime", f.time, "-timeout", "20m"}
		command := "go " + strings.Join(args, " ")
		if _, done := outputs[command]; !done {
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Env = append(os.Environ(), "NETSPLIT_REQUIRE=docker root")
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", command, err, out)
			}
			outputs[command] = string(out)
		}
		value, err := read(outputs[command], f.metric)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		fmt.Printf("| %s | %.3g %s | %s | `%s` |\n", f.name, value*f.scale, f.unit, f.budget, command)
	}
	return nil
}

// read returns the first value of a metric in the output of `go test -bench`.
func read(output, metric string) (float64, error) {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		for i := 2; i+1 < len(fields) && strings.HasPrefix(fields[0], "Benchmark"); i += 2 {
			if fields[i+1] == metric {
				return strconv.ParseFloat(fields[i], 64)
			}
		}
	}
	return 0, fmt.Errorf("no %s in the output:\n%s", metric, output)
}
