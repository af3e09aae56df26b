package cli

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// runsDir is where the directories of runs are: $XDG_STATE_HOME/netsplit/runs, by default ~/.local/state/netsplit/runs.
func runsDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := runtime.HomeDir()
		if err != nil {
			return "", infrastructure(err, "set XDG_STATE_HOME, or name a run's directory (--out DIR)")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "netsplit", "runs"), nil
}

// newID returns a testnet's id: the scenario's name, cut short, and eight random hex digits.
func newID(scenario string) (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return strings.Trim(scenario[:min(len(scenario), 24)], "-") + "-" + hex.EncodeToString(b[:]), nil
}

// newRunDir makes the directory of a run and writes the scenario's text to it. out names it; empty: a new one in runsDir,
// named by the testnet's id.
func newRunDir(out, id string, scenario []byte) (string, error) {
	dir := out
	if dir == "" {
		base, err := runsDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(base, id)
	}
	if _, err := os.Stat(filepath.Join(dir, run.TraceFile)); err == nil {
		return "", usagef("name another with --out", "%s already holds a run", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", usagef("name another with --out", "make the run's directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, run.SpecFile), scenario, 0o644); err != nil {
		return "", usagef("name another with --out", "write the run's scenario: %w", err)
	}
	return filepath.Abs(dir)
}

// findRun returns the directory of a run by its path or id; the latest run's when name is empty.
func findRun(name string) (string, error) {
	base, err := runsDir()
	if name == "" {
		if err != nil {
			return "", err
		}
		return latestRun(base)
	}
	candidates := []string{name}
	if filepath.Base(name) == name && err == nil {
		candidates = append(candidates, filepath.Join(base, name))
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, run.TraceFile)); err == nil {
			return filepath.Abs(dir)
		}
	}
	if err != nil {
		return "", usagef("give a run's directory", "no run %q here", name)
	}
	return "", usagef("give a run's directory or id", "no run %q here or in %s", name, base)
}

func latestRun(base string) (string, error) {
	entries, err := os.ReadDir(base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var latest string
	var at int64
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(base, e.Name(), run.TraceFile))
		if err == nil && info.ModTime().UnixNano() > at {
			latest, at = filepath.Join(base, e.Name()), info.ModTime().UnixNano()
		}
	}
	if latest == "" {
		return "", usagef("make one: netsplit run split-brain", "there is no run in %s yet", base)
	}
	return latest, nil
}

// removeRunDir removes the directory of a testnet that is gone and was only brought up, never judged. From a directory
// with other content it removes the testnet's description, which holds secrets.
func removeRunDir(dir, id string) error {
	if err := run.ForgetNetwork(dir, id); err != nil {
		return err
	}
	base, err := runsDir()
	if err != nil || filepath.Dir(dir) != base {
		return nil //nolint:nilerr // without a directory for runs it is not there
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil //nolint:nilerr // it is gone already
	}
	for _, e := range entries {
		if !slices.Contains([]string{run.NetworkFile, run.SpecFile}, e.Name()) {
			return nil
		}
	}
	return os.RemoveAll(dir)
}
