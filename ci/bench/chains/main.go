// Chains measures the ready chains and prints their table of docs/benchmarks.md: the time to converge after a partition of
// 30 s, block propagation over links with and without delay, and the time to start a testnet. It needs a Docker Engine.
// `go run ./ci/bench/chains -chain btcd -only start` runs a part.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// seeds are the seeds of the partitions; the median is shown.
var seeds = []int{1, 2, 3}

// delays are the link delays of the propagation measurements, in milliseconds.
var delays = []int{0, 50, 200}

// sizes are the numbers of nodes of the start measurements.
var sizes = []int{4, 16, 32}

const cut = `
name: bench-cut
seed: %d
nodes:
  - {name: miner, count: 4, mine: 100/s}
  - {name: full, count: 2}
consensus: {pow: {block_interval: 2s}}
faults: [{at: 10s, for: 30s, partition: {halves: random}}]
expect: [convergence: {within: 1m}]
duration: 41s
settle: 70s
`

const propagation = `
name: bench-propagation
seed: 1
nodes:
  - {name: miner, count: 4, mine: 100/s}
  - {name: full, count: 4}
consensus: {pow: {block_interval: 2s}}
topology: {random_regular: {degree: 4}}
%s
expect: [block_propagation: {p95: 10s}]
duration: 40s
settle: 10s
`

const start = `
name: bench-start
seed: 1
nodes:
  - {name: miner, count: 3, mine: 100/s}
  - {name: full, count: %d}
consensus: {pow: {block_interval: 2s}}
expect: [agreement]
duration: 1s
settle: 30s
`

func main() {
	chains := flag.String("chain", "btcd,cometbft,geth", "measure these chains")
	only := flag.String("only", "", "measure only this: cut, propagation or start")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, strings.Split(*chains, ","), *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measurement is a column of the table.
type measurement struct {
	name, title string
	measure     func(b *bench, ctx context.Context, chain string) (string, error)
}

var measurements = []measurement{
	{"cut", "convergence after a partition of 30 s, median of 3 (all)", (*bench).cut},
	{"propagation", "block propagation p50 / p95 with links of 0, 50 and 200 ms", (*bench).propagation},
	{"start", "start of 4, 16 and 32 nodes", (*bench).start},
}

// measure builds netsplit, measures and prints the table.
func measure(ctx context.Context, chains []string, only string) error {
	dir, err := os.MkdirTemp("", "netsplit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, program: filepath.Join(dir, "netsplit")}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build netsplit: %w\n%s", err, out)
	}
	columns := slices.DeleteFunc(slices.Clone(measurements), func(m measurement) bool { return only != "" && m.name != only })
	if len(columns) == 0 {
		return fmt.Errorf("-only %s: want cut, propagation or start", only)
	}
	header, rule := "| chain |", "| --- |"
	for _, m := range columns {
		header, rule = header+" "+m.title+" |", rule+" --- |"
	}
	fmt.Println(header + "\n" + rule)
	for _, chain := range chains {
		row := "| " + chain + " |"
		for _, m := range columns {
			cell, err := m.measure(b, ctx, chain)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", chain, m.name, err)
			}
			row += " " + cell + " |"
		}
		fmt.Println(row)
	}
	return nil
}

// bench runs scenarios with a netsplit that it has built.
type bench struct {
	dir     string
	program string
	runs    int
}

// record runs a scenario and returns the run's directory. A violated invariant is not an error here.
func (b *bench) record(ctx context.Context, chain, scenario string) (string, error) {
	b.runs++
	dir := filepath.Join(b.dir, fmt.Sprint("run-", b.runs))
	file := dir + ".yaml"
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, b.program, "run", file, "--chain", chain, "--runtime", "docker", "--out", dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
}

// cut measures the time from the heal until all nodes are on one growing chain.
func (b *bench) cut(ctx context.Context, chain string) (string, error) {
	var took []time.Duration
	for _, seed := range seeds {
		dir, err := b.record(ctx, chain, fmt.Sprintf(cut, seed))
		if err != nil {
			return "", err
		}
		rep, err := report.Load(dir)
		if err != nil {
			return "", err
		}
		if len(rep.Summary.Partitions) != 1 || !rep.Summary.Partitions[0].Converged {
			return "", fmt.Errorf("seed %d: the nodes did not converge", seed)
		}
		took = append(took, rep.Summary.Partitions[0].ConvergedIn)
	}
	var all []string
	for _, d := range took {
		all = append(all, seconds(d))
	}
	slices.Sort(took)
	return fmt.Sprintf("%s (%s)", seconds(took[len(took)/2]), strings.Join(all, ", ")), nil
}

// propagation measures how fast blocks reach all nodes.
func (b *bench) propagation(ctx context.Context, chain string) (string, error) {
	var cells []string
	for _, ms := range delays {
		faults := ""
		if ms > 0 {
			faults = fmt.Sprintf("faults: [{at: 0s, for: 40s, latency: {delay: %dms}}]", ms)
		}
		dir, err := b.record(ctx, chain, fmt.Sprintf(propagation, faults))
		if err != nil {
			return "", err
		}
		rep, err := report.Load(dir)
		if err != nil {
			return "", err
		}
		p := rep.Summary.Propagation
		if p.Deliveries == 0 {
			return "", fmt.Errorf("with %d ms: no block was propagated", ms)
		}
		cells = append(cells, formatPropagation(&p))
	}
	return strings.Join(cells, ", "), nil
}

// formatPropagation formats the median and the 95th percentile, as ranges where they are uncertain.
func formatPropagation(p *invariant.PropagationSummary) string {
	low, high := p.Ends()
	return trace.FormatRange(low.P50, high.P50) + " / " + trace.FormatRange(low.P95, high.P95)
}

// start measures the time until all nodes are connected and on one growing chain, with the image already built.
func (b *bench) start(ctx context.Context, chain string) (string, error) {
	var cells []string
	for _, n := range sizes {
		dir, err := b.record(ctx, chain, fmt.Sprintf(start, n-3))
		if err != nil {
			return "", err
		}
		began, err := startOf(dir)
		if err != nil {
			return "", err
		}
		cells = append(cells, seconds(-began))
	}
	return strings.Join(cells, ", "), nil
}

// startOf returns the run time at which a run began to start its nodes, which is negative.
func startOf(dir string) (began time.Duration, err error) {
	err = trace.ReadSorted(filepath.Join(dir, run.TraceFile), func(e *trace.Event) error {
		if e.Kind == trace.KindPhase && e.Phase.Name == trace.PhaseStarting {
			began = e.At
		}
		return nil
	})
	if err == nil && began >= 0 {
		err = fmt.Errorf("no start of the nodes in the trace of %s", dir)
	}
	return began, err
}

// seconds formats a duration with a suitable number of digits.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
