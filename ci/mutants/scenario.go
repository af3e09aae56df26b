package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Bounds of a run of a mutant, which may loop or allocate without end.
const (
	timeLimit   = 2 * time.Minute
	memoryLimit = 4 << 20 // KiB of address space
)

// outcome is how one run ended.
type outcome struct {
	Exit    int
	Error   string // how it ended when not with a report of a complete run
	Results []verdict
}

// verdict is that of one invariant in the report's JSON.
type verdict struct{ Invariant, Verdict string }

// failed lists the invariants that failed.
func (o *outcome) failed() []string {
	var names []string
	for _, r := range o.Results {
		if r.Verdict == "FAIL" {
			names = append(names, r.Invariant)
		}
	}
	return names
}

// scenarios lists the catalog of a binary.
func scenarios(ctx context.Context, binary string) ([]string, error) {
	out, err := exec.CommandContext(ctx, binary, "catalog", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("list the catalog: %w", err)
	}
	var list []struct{ Name string }
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("list the catalog: %w", err)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names, nil
}

// runScenario runs a scenario with a seed, simulated, in a directory that is removed.
func runScenario(ctx context.Context, binary, scenario string, seed int) outcome {
	dir, err := os.MkdirTemp("", "netsplit-mutant-*")
	if err != nil {
		return outcome{Exit: -1, Error: err.Error()}
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf(`ulimit -v %d; exec "$0" "$@"`, memoryLimit), binary,
		"run", scenario, "--runtime", "sim", "--seed", strconv.Itoa(seed), "--json", "--out", filepath.Join(dir, "run"))
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+dir)
	out, err := cmd.Output()
	o := outcome{Exit: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	var report struct {
		Error   string
		Results []verdict
	}
	switch {
	case ctx.Err() != nil:
		o.Error = "time-out"
	case err != nil && !errors.As(err, &exit):
		o.Error = err.Error()
	case json.NewDecoder(bytes.NewReader(out)).Decode(&report) != nil:
		o.Error = fmt.Sprintf("exit code %d without a report", o.Exit)
	case report.Error != "":
		o.Error = fmt.Sprintf("exit code %d: ended early", o.Exit)
	}
	o.Results = report.Results
	return o
}
