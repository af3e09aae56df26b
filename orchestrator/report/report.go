package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// File is the name of a report in its run's directory.
const File = "report.json"

// A report that is read may be somebody else's. One of 100,000 nodes has some 30 MiB, and few parts: objects and lists, of
// which an empty one takes a hundred times the memory of its text. With no more than these, reading it takes 1 GiB at most.
const (
	maxFile  = 128 << 20
	maxParts = 2_000_000
)

// format is the version of the report's JSON.
const format = 2

// Report is what a run comes down to: the judgement of its trace, and one verdict over all. In its JSON all durations
// are nanoseconds and all times are run times.
type Report struct {
	Format int `json:"format"`
	// Verdict is PASS when every invariant was judged and held, else the worst of their verdicts.
	Verdict invariant.Verdict `json:"verdict"`
	// Began is true when the nodes came up and the schedule began. When it did not, there was nothing to judge.
	Began bool `json:"began"`
	// Reproduce is the command that runs the same again; empty when the caller of Make did not set it.
	Reproduce string `json:"reproduce,omitempty"`
	invariant.Judgement

	dir string // the run's directory
}

// Make judges the trace at path, which is in a run's directory dir. expect replaces the expectations in the trace; nil
// keeps them.
func Make(dir, path string, expect []trace.Expectation) (*Report, error) {
	r := &Report{Format: format, dir: dir}
	read := invariant.File(path)
	j, err := invariant.Judge(func(fn func(*trace.Event) error) error {
		return read(func(e *trace.Event) error {
			r.Began = r.Began || e.Kind == trace.KindPhase && e.Phase.Name == trace.PhaseScheduled
			return fn(e)
		})
	}, expect)
	if err != nil {
		return nil, fmt.Errorf("judge %s: %w", path, err)
	}
	j.Run.Chain.Genesis, j.Run.Plan = nil, nil // the trace has them; a report is read by people
	r.Verdict, r.Judgement = overall(j), *j
	return r, nil
}

// Failed is the report of a run that failed before it could record anything.
func Failed(run trace.Run, cause error) *Report {
	return &Report{Format: format, Verdict: invariant.Unknown, Judgement: invariant.Judgement{Run: run, Error: cause.Error()}}
}

// overall is the verdict over a whole run. What is NOT APPLICABLE does not count. An invariant about the testnet that was not expected and had nothing to judge
// does not count: a scenario without faults is not worse for having none. One about the nodes counts always: a run
// without blocks, or without a second node, shows nothing.
func overall(j *invariant.Judgement) invariant.Verdict {
	worst, judged := invariant.Pass, 0
	for _, r := range j.Results {
		if r.Verdict == invariant.NotApplicable {
			continue
		}
		judged++
		if r.Verdict == invariant.Vacuous && !r.Expected && r.Class == invariant.Infrastructure {
			continue
		}
		if severity[r.Verdict] > severity[worst] {
			worst = r.Verdict
		}
	}
	if worst == invariant.Pass && (j.Error != "" || j.Interrupted || judged == 0) {
		return invariant.Unknown
	}
	return worst
}

var severity = map[invariant.Verdict]int{
	invariant.Pass: 0, invariant.Vacuous: 1, invariant.Unknown: 2, invariant.Fail: 3,
}

// Ended says how the run ended when not by its schedule, or what its trace lacks; empty when it did and the trace is whole.
func (r *Report) Ended() string {
	switch {
	case r.Interrupted:
		return "interrupted"
	case r.Error != "":
		return r.Error
	}
	return r.Incomplete
}

// EndedLabel is what to print before Ended.
func (r *Report) EndedLabel() string {
	if r.Interrupted || r.Error != "" {
		return "the run ended early"
	}
	return "the record of the run is not complete"
}

// Save writes the report to its run's directory. An existing report is replaced atomically.
func (r *Report) Save() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	path := filepath.Join(r.dir, File)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// ErrFormat is wrapped by the error about a report that another version of netsplit wrote.
var ErrFormat = errors.New("unknown format")

// Load reads the report that a run's directory holds.
func Load(dir string) (*Report, error) {
	path := filepath.Join(dir, File)
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		err = fmt.Errorf("%s is no file of at most %d MiB", path, maxFile>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) > maxParts {
		return nil, fmt.Errorf("read report %s: it has more than %d objects and lists", path, maxParts)
	}
	r := &Report{dir: dir}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read report %s: %w", path, err)
	}
	if r.Format != format {
		return nil, fmt.Errorf("report %s has format %d, this netsplit reads %d: %w", path, r.Format, format, ErrFormat)
	}
	return r, nil
}
