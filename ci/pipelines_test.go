package ci_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/run"
)

// action is what GitHub reads of action.yml.
type action struct {
	Name        string
	Description string
	Inputs      map[string]struct{ Description, Default string }
	Outputs     map[string]struct{ Description, Value string }
	Runs        struct {
		Using string
		Steps []actionStep
	}
}

type actionStep struct {
	Name, ID, Uses, If, Shell, Run string
	WorkingDirectory               string `yaml:"working-directory"`
	With, Env                      map[string]string
}

func readAction(t *testing.T) (action, string) {
	t.Helper()
	text := must.Get(os.ReadFile("action.yml"))(t)
	var a action
	if err := yaml.UnmarshalWithOptions(text, &a, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return a, string(text)
}

// expression is what GitHub replaces in an action.
var expression = regexp.MustCompile(`\$\{\{ *([a-z_.]+) *\}\}`)

func TestActionIsWellFormed(t *testing.T) {
	a, text := readAction(t)
	if a.Name == "" || a.Description == "" || a.Runs.Using != "composite" {
		t.Errorf("name %q, description %q, using %q", a.Name, a.Description, a.Runs.Using)
	}
	for name, in := range a.Inputs {
		if in.Description == "" || !strings.Contains(text, "inputs."+name+" ") {
			t.Errorf("input %s is not described or not used", name)
		}
	}
	for _, s := range a.Runs.Steps {
		switch {
		case (s.Uses == "") == (s.Run == ""):
			t.Errorf("step %q must use an action or run a script", s.Name)
		case s.Run != "" && s.Shell == "":
			t.Errorf("step %q names no shell, which a composite action needs", s.Name)
		case s.Uses != "" && !strings.Contains(s.Uses, "@"):
			t.Errorf("step %q has no version", s.Uses)
		}
		if expression.MatchString(s.Run) {
			t.Errorf("step %q puts an expression into its script, where it would be run", s.Name)
		}
	}
	uploaded := a.Runs.Steps[len(a.Runs.Steps)-1].With["path"]
	const dir = "${{ steps.run.outputs.directory }}"
	if want := dir + "\n!" + dir + "/**/" + run.NetworkFile + "\n"; uploaded != want {
		t.Errorf("uploaded is %q, not %q: a run that was killed leaves secrets there", uploaded, want)
	}
	for _, m := range expression.FindAllStringSubmatch(text, -1) {
		if name, ok := strings.CutPrefix(m[1], "inputs."); ok {
			if _, declared := a.Inputs[name]; !declared {
				t.Errorf("%s is not an input", m[1])
			}
		}
	}
}

// stub stands for netsplit: it prints its arguments, one a line, and ends with the code that CODE names.
const stub = "#!/bin/bash\nprintf '%s\\n' \"$@\" >\"$RUNNER_TEMP/args\"\nexit \"${CODE:-0}\"\n"

func TestActionRunsTheScenario(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash, which runs the action's steps")
	}
	a, _ := readAction(t)
	var step actionStep
	for _, s := range a.Runs.Steps {
		if s.ID == "run" {
			step = s
		}
	}
	for _, c := range []struct {
		name, scenario, strict, args string
		code                         int
		want                         []string
	}{
		{"defaults", "split-brain", "false", "", 0, nil},
		{"all inputs", "my file.yaml; touch broken", "true", "--seed 7  --nodes 20", 0, []string{"--seed", "7", "--nodes", "20", "--strict"}},
		{"a failed run", "split-brain", "false", "", 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			temp := t.TempDir()
			must.Do(t, os.WriteFile(filepath.Join(temp, "netsplit"), []byte(stub), 0o755))
			output := filepath.Join(temp, "output")
			cmd := exec.CommandContext(t.Context(), bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
			cmd.Dir = temp
			cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+output, fmt.Sprintf("CODE=%d", c.code),
				"SCENARIO="+c.scenario, "RUNTIME=sim", "STRICT="+c.strict, "ARGS="+c.args)
			for name := range step.Env {
				if !strings.Contains(step.Run, "$"+name) {
					t.Errorf("the step does not use %s", name)
				}
			}
			text, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Fatalf("exit code %d, want %d: %v\n%s", code, c.code, err, text)
			}
			dir, ok := strings.CutPrefix(strings.TrimSpace(read(t, output)), "directory=")
			if info, err := os.Stat(dir); !ok || err != nil || !info.IsDir() {
				t.Fatalf("the output is no directory: %q", dir)
			}
			want := append([]string{"run", c.scenario, "--runtime", "sim", "--out", dir, "--junit", dir + "/junit.xml"}, c.want...)
			got := strings.Split(strings.TrimSuffix(read(t, filepath.Join(temp, "args")), "\n"), "\n")
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("arguments (-want +got):\n%s", d)
			}
			if _, err := os.Stat(filepath.Join(temp, "broken")); err == nil {
				t.Error("an input was run as a command")
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text := must.Get(os.ReadFile(file))(t)
	return string(text)
}

func TestGitLabPipeline(t *testing.T) {
	var pipeline map[string]struct {
		Image     string
		Variables map[string]string
		Script    []string
		Artifacts struct {
			When    string
			Paths   []string
			Exclude []string
			Reports map[string]string
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "gitlab.yml")), &pipeline, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	job, ok := pipeline["netsplit"]
	if !ok || len(pipeline) != 1 {
		t.Fatalf("the jobs are %v", pipeline)
	}
	script := strings.Join(job.Script, "\n")
	for name := range job.Variables {
		if strings.HasPrefix(name, "NETSPLIT_") && !strings.Contains(script, "$"+name) {
			t.Errorf("variable %s is not used", name)
		}
	}
	if job.Artifacts.When != "always" {
		t.Errorf("artifacts are kept %q: those of a failed run are wanted most", job.Artifacts.When)
	}
	for _, file := range append(job.Artifacts.Paths, job.Artifacts.Reports["junit"]) {
		if file == "" || !strings.Contains(script, file) {
			t.Errorf("the script does not write %q", file)
		}
	}
	if want := []string{"netsplit-run/**/" + run.NetworkFile}; !slices.Equal(job.Artifacts.Exclude, want) {
		t.Errorf("kept but for %q, not %q: a run that was killed leaves it, and it holds secrets", job.Artifacts.Exclude, want)
	}
	toolchain := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if want := "golang:" + toolchain; job.Image != want {
		t.Errorf("image %s, want %s: what go.mod asks for", job.Image, want)
	}
}
