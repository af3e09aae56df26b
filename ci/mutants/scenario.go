package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
)

// Bounds of a run of a mutant, which may loop or allocate without end.
const (
	timeLimit   = 2 * time.Minute
	memoryLimit = 4 << 20 // KiB of address space
)

// outcome is how one run was judged.
type outcome struct {
	failed []string // invariants
	green  bool     // the exit code would be 0
	ended  string   // how it ended, when not at the end of its schedule
}

// runScenario records a run of a scenario with a seed in a directory that is removed, and judges it.
func runScenario(ctx context.Context, binary, scenario string, seed int) outcome {
	dir, err := os.MkdirTemp("", "netsplit-mutant-*")
	if err != nil {
		return outcome{ended: err.Error()}
	}
	defer os.RemoveAll(dir)
	limited, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, "sh", "-c", fmt.Sprintf(`ulimit -v %d; exec "$0" "$@"`, memoryLimit), binary,
		scenario, strconv.Itoa(seed), dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	failure := cmd.Run()
	rep, err := report.Make(dir, filepath.Join(dir, run.TraceFile), nil)
	o := outcome{}
	switch {
	case limited.Err() != nil:
		o.ended = fmt.Sprintf("stopped after %v", timeLimit)
	case failure != nil:
		o.ended, _, _ = strings.Cut(strings.TrimSpace(stderr.String()), "\n")
	case err != nil:
		o.ended = err.Error()
	}
	if err != nil {
		return o
	}
	o.green = o.ended == "" && rep.ExitCode(invariant.Policy{}) == invariant.ExitPass
	for _, r := range rep.Results {
		if r.Verdict == invariant.Fail {
			o.failed = append(o.failed, r.Invariant)
		}
	}
	return o
}
