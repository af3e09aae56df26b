package run_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
)

const regressionsDir = "../../testnets/regressions"

var seedLine = regexp.MustCompile(`(?m)^seed: .*\n`)

// withSeed is a scenario file with another seed.
func withSeed(t *testing.T, path string, seed int) string {
	t.Helper()
	return fmt.Sprintf("seed: %d\n", seed) + seedLine.ReplaceAllString(string(must.Get(os.ReadFile(path))(t)), "")
}

// Scenarios that once failed with some seeds although all nodes were honest. In directory violated are those that must fail: see
// TestRegressions_Violated.
func TestRegressions(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 2
	}
	for _, path := range must.Get(filepath.Glob(filepath.Join(regressionsDir, "*.yaml")))(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			for seed := range seeds {
				rep := setup{}.mustRun(t, withSeed(t, path, seed+1)).report
				if code := rep.ExitCode(invariant.Policy{}); code != invariant.ExitPass {
					t.Errorf("seed %d: exit code %d", seed+1, code)
					for _, r := range rep.Results {
						if r.Verdict == invariant.Fail || r.Verdict == invariant.Unknown {
							t.Logf("  %s %s: %s", r.Invariant, r.Verdict, r.Reason)
						}
					}
				}
			}
		})
	}
}

func TestRegressions_Violated(t *testing.T) {
	check := map[string]func(t *testing.T, rep *report.Report){
		"growth-bound": func(t *testing.T, rep *report.Report) {
			r := result(t, rep, "chain_growth")
			if atLeast := r.Metrics["worst_at_least"]; r.Verdict != invariant.Pass || atLeast == 0 ||
				!strings.HasPrefix(r.Bound, fmt.Sprintf("at least %v block", atLeast)) {
				t.Errorf("chain_growth %s, bound %q: %s", r.Verdict, r.Bound, r.Reason)
			}
			if r := result(t, rep, "convergence"); r.Verdict != invariant.Fail {
				t.Errorf("convergence %s: %s", r.Verdict, r.Reason)
			}
		},
		"deep-reorg": func(t *testing.T, rep *report.Report) {
			r := result(t, rep, "agreement")
			if worst := fmt.Sprintf("dropped %v blocks", r.Metrics["deepest_reorg"]); r.Verdict != invariant.Fail ||
				!strings.Contains(r.Evidence[0].Text, worst) || !strings.Contains(r.Reason, worst) {
				t.Errorf("agreement %s, worst %s: %s", r.Verdict, worst, r.Reason)
			}
		},
	}
	for _, path := range must.Get(filepath.Glob(filepath.Join(regressionsDir, "violated", "*.yaml")))(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			for seed := 1; seed <= 3; seed++ {
				rep := setup{}.mustRun(t, withSeed(t, path, seed)).report
				if code := rep.ExitCode(invariant.Policy{}); code != invariant.ExitFail {
					t.Errorf("seed %d: exit code %d", seed, code)
				}
				check[name](t, rep)
			}
		})
	}
}

// An end state that is too short to show progress is not called success, unless progress happens to be seen.
func TestRegressions_ShortSettling(t *testing.T) {
	unknown := 0
	for seed := range 6 {
		text := strings.Replace(withSeed(t, filepath.Join(regressionsDir, "never-heals.yaml"), seed+1), "settle: 40s", "settle: 1s", 1)
		rep := setup{}.mustRun(t, text).report
		switch code := rep.ExitCode(invariant.Policy{}); code {
		case invariant.ExitPass:
		case invariant.ExitUnknown:
			unknown++
			if r := result(t, rep, "chain_growth"); !strings.Contains(r.Reason, "settling, which was too short") {
				t.Errorf("chain_growth %s: %s", r.Verdict, r.Reason)
			}
		default:
			t.Errorf("seed %d: exit code %d", seed+1, code)
		}
	}
	if unknown == 0 {
		t.Error("every run passed")
	}
}
