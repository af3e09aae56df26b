package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/scenario"
)

var awkward = []string{"plain", "./a-b_c.yaml", "with space", "it's", `"quoted" $(touch x)`, "new\nline", "tab\t'", "bad\xffbyte\\\n", "ünï", `back\slash`, ""}

func TestShellWord_ReadBackByBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	for _, word := range awkward {
		quoted := shellWord(word)
		if bytes.ContainsAny([]byte(quoted), "\n\r") {
			t.Errorf("%q is not one line: %q", word, quoted)
		}
		out, err := exec.CommandContext(t.Context(), bash, "-c", "printf %s "+quoted).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q is quoted as %s, which a shell reads as %q: %v", word, quoted, out, err)
		}
	}
	if got := shellWord(7) + shellWord(uint64(8)); got != "78" {
		t.Errorf("numbers are %q", got)
	}
}

func TestMarkCall_KeepsTheScenario(t *testing.T) {
	spec := must.Get(testnets.Open("quickstart"))(t)
	for _, word := range awkward {
		marked := markCall(spec.Source, "netsplit run "+shellWord(word)+" --seed 3")
		again, err := scenario.Parse("marked.yaml", marked)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		if again.Name != spec.Name || again.Seed != spec.Seed {
			t.Errorf("%q changed the scenario", word)
		}
		if !bytes.Equal(withoutCall(marked), spec.Source) {
			t.Errorf("%q: the mark does not come off", word)
		}
	}
	if !bytes.Equal(markCall(spec.Source, ""), spec.Source) || !bytes.Equal(withoutCall(spec.Source), spec.Source) {
		t.Error("a scenario that was not changed is changed")
	}
}

func TestReproduce(t *testing.T) {
	quickstart := must.Get(testnets.Open("quickstart"))(t)
	write := func(name string, source []byte) string {
		dir := filepath.Join(t.TempDir(), name)
		must.Do(t, os.Mkdir(dir, 0o755))
		must.Do(t, os.WriteFile(filepath.Join(dir, run.SpecFile), source, 0o644))
		return dir
	}
	same := write("same", quickstart.Source)
	marked := write("marked", markCall(quickstart.Source, "netsplit run quickstart --nodes 6"))
	changed := write("it's changed", append([]byte("# mine\n"), quickstart.Source...))
	broken := write("broken", []byte("nonsense"))
	attached := write("attached", markCall(quickstart.Source, `netsplit run quickstart --chain './my chain.yaml' --attach a=b --attach 'it'\''s' --network n`))
	hostile := write("hostile", markCall(quickstart.Source, `netsplit run quickstart --attach $(touch) --attach a;b --chain x,y`))
	run := func(runtime string, nodes int) *trace.Run {
		return &trace.Run{Scenario: "quickstart", Seed: 7, Runtime: runtime, Nodes: make([]trace.RunNode, nodes)}
	}
	external := func(name, file string) *trace.Run {
		r := run("docker 20.10", 5)
		r.Chain.Name, r.Chain.File = name, file
		return r
	}
	for _, c := range []struct {
		dir  string
		run  *trace.Run
		want string
	}{
		{same, run("sim, virtual time", 5), "netsplit run quickstart --seed 7 --runtime sim"},
		{same, run("docker 28.5, nft", 0), "netsplit run quickstart --seed 7 --runtime docker"},
		{same, run("moon; rm -rf", 5), "netsplit run quickstart --seed 7"},
		{marked, run("sim", 6), "netsplit run quickstart --seed 7 --runtime sim --nodes 6"},
		{changed, run("sim", 5), "netsplit run " + shellWord(changed+"/spec.yaml") + " --seed 7 --runtime sim"},
		{same, external("btcd", ""), "netsplit run quickstart --seed 7 --chain btcd --runtime docker"},
		{same, external("btcd", "./my chain.yaml"), "netsplit run quickstart --seed 7 --chain './my chain.yaml' --runtime docker"},
		{same, &trace.Run{Scenario: "/etc/passwd", Runtime: ""}, "netsplit run " + same + "/spec.yaml --seed 0"},
		{attached, external("mine", "./my chain.yaml"), `netsplit run quickstart --seed 7 --chain './my chain.yaml' --attach a=b --attach 'it'\''s' --network n`},
		{hostile, external("mine", ""), "netsplit run quickstart --seed 7 --chain mine --runtime docker"},
		{broken, run("sim", 5), ""},
		{t.TempDir(), run("sim", 5), ""},
	} {
		if got := reproduce(c.dir, c.run); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.dir, c.run.Runtime, got, c.want)
		}
	}
}
