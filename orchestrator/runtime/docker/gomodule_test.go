package docker

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A proxy may serve a version of a module and no list of its versions.
func TestModulesWithoutAListOfVersions(t *testing.T) {
	const program = "example.com/m/cmd/tool@v1.0.0"
	noList := errors.New("go install: exit status 1; it printed:\n    | go: loading deprecation for example.com/m: 403 Forbidden")
	f := &fakeGo{fails: map[string]error{"install " + program: noList}, mod: `{"Module": {"Path": "example.com/m"}, "Replace": null}`}
	b, _ := builder(t, f)
	file, err := b.build(t.Context(), program, "-s")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/m/cmd/tool" {
		t.Errorf("built %q, %v", got, err)
	}
	want := []string{
		"env -json GOVERSION GOFLAGS " + strings.Join(goVars, " "), "install -trimpath -ldflags=-s " + program, "mod init netsplit.invalid/build", "get " + program,
		"list -f {{.Module.GoMod}} example.com/m/cmd/tool", "mod edit -json /cache/m.mod", "install -trimpath -ldflags=-s example.com/m/cmd/tool",
	}
	if got := strings.Join(f.calls, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("ran\n%s", got)
	}
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		edit func(*fakeGo)
		want error
	}{
		"replaced":         {func(f *fakeGo) { f.mod = `{"Replace": [{"Old": {"Path": "a"}}]}` }, errReplaced},
		"another failure":  {func(f *fakeGo) { f.fails["install "+program] = boom }, boom},
		"not to be had":    {func(f *fakeGo) { f.fails["get "+program] = boom }, boom},
		"does not compile": {func(f *fakeGo) { f.fails["install example.com/m/cmd/tool"] = boom }, boom},
	} {
		f := &fakeGo{fails: map[string]error{"install " + program: noList}, mod: "{}"}
		c.edit(f)
		b, _ := builder(t, f)
		if _, err := b.build(t.Context(), program, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _ = builder(t, &fakeGo{fails: map[string]error{"install " + program: noList}, mod: "no JSON"})
	if _, err := b.build(t.Context(), program, ""); err == nil || !strings.Contains(err.Error(), "read the go.mod of "+program) {
		t.Errorf("got %v", err)
	}
}
