package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// noImage is a runtime that has no images.
type noImage struct{ external.Containers }

func (noImage) BuildImage(context.Context, runtime.ImageSource, func(string)) (string, error) {
	return "", errors.New("not there")
}

// fileError is what a chain says whose image is not there.
func fileError(t *testing.T) error {
	t.Helper()
	file, err := chainspec.Parse("c.yaml", []byte("name: c\n\nimage: {ref: nosuch}\nstart: {}\nports: {rpc: 1}\nrpc: {kind: http-get}\n"+
		"calls: {a: {path: /}}\nobserve: {height: {call: a, jq: .}, head: {call: a, jq: .}, block: {call: a, hash: ., parent: ., time: .}}\n"+
		"facts: {family: pow, quorum: 0, fork_depth: 1}\n"))
	must.Do(t, err)
	_, err = external.New(file, noImage{}, nil, nil).Prepare(t.Context(), chain.Network{})
	return err
}

func TestPrintErrors(t *testing.T) {
	spec := &strictyaml.Error{File: "a.yaml", Pos: strictyaml.Pos{Line: 3, Column: 5}, Msg: "wrong", Hint: "do it right"}
	other := &strictyaml.Error{File: "a.yaml", Pos: strictyaml.Pos{Line: 4, Column: 1}, Msg: "worse"}
	for _, c := range []struct {
		name        string
		err         error
		interrupted bool
		code        int
		text        string
	}{
		{"nothing", nil, false, 0, ""},
		{"printed already", &exitError{code: exitViolated}, false, 1, ""},
		{"usage with a hint", usagef("do this", "no %s", "x"), false, 2, "netsplit: no x\n  hint: do this\n"},
		{"infrastructure without a hint", infrastructure(errors.New("gone"), ""), false, 3, "netsplit: gone\n"},
		{"not classified", errors.New("disk full"), false, 3, "netsplit: disk full\n"},
		{"a mistake in a file", usageError(spec), false, 2, "a.yaml:3:5: wrong\n  hint: do it right\n"},
		{"two mistakes", usageError(errors.Join(spec, other)), false, 2, "a.yaml:3:5: wrong\n  hint: do it right\na.yaml:4:1: worse\n"},
		{"two mistakes, unmarked", errors.Join(spec, other), false, 2, "a.yaml:3:5: wrong\n  hint: do it right\na.yaml:4:1: worse\n"},
		{"interrupted", fmt.Errorf("wait: %w", context.Canceled), true, 130, "netsplit: interrupted\n"},
		{"canceled elsewhere", fmt.Errorf("wait: %w", context.Canceled), false, 3, "netsplit: wait: context canceled\n"},
		{"interrupted, and nothing is left", errors.Join(context.Canceled, nil), true, 130, "netsplit: interrupted\n"},
		{"interrupted, and something is left", errors.Join(context.Canceled, infrastructure(errors.New("stuck"), "down --all")), true, 3,
			"netsplit: interrupted\nnetsplit: stuck\n  hint: down --all\n"},
		{"nested", errors.Join(errors.Join(errors.New("a"), &exitError{code: exitViolated}), usagef("", "b")), false, 3,
			"netsplit: a\nnetsplit: b\n"},
		{"a chain file, before the start", fmt.Errorf("prepare chain: %w", fileError(t)), false, 2, "c.yaml:3:1: make the image of chain c: not there\n  3 | image: {ref: nosuch}\n    | ^\n" +
			"  hint: `docker images` lists what there is; nothing is pulled\n"},
		{"a chain file, without an engine", fmt.Errorf("prepare chain: %w: %w", docker.ErrUnavailable, spec), false, 3,
			"netsplit: prepare chain: docker is not available: a.yaml:3:5: wrong\n  hint: do it right\n"},
		{"a call, after the start", &runtime.NodeError{Node: "a", Op: "connect", Err: &external.CallError{Node: "a", Call: "head", At: "c.yaml:7:3", Err: spec}},
			false, 3, "netsplit: connect node a: node a, call head (c.yaml:7:3): a.yaml:3:5: wrong\n  hint: do it right\n"},
		{"an answer, after the start", fmt.Errorf("watch a: %w", &external.AnswerError{Node: "a", What: "observe.head", At: "c.yaml:7:3", JQ: ".x", Problem: "gives null", Reply: "{}"}),
			false, 3, "netsplit: watch a: c.yaml:7:3: node a, observe.head: jq .x gives null; the reply was {}\n  hint: try the expression with jq on the reply\n"},
		{"says more than its parts", fmt.Errorf("both: %w, %w", errors.New("a"), errors.New("b")), false, 3, "netsplit: both: a, b\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.interrupted {
				cancel()
			}
			var text strings.Builder
			code := printErrors(ctx, &text, c.err)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if d := cmp.Diff(c.text, text.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestPrintErrors_RedactsSecrets: neither the message nor the excerpt shows a password of the chain file.
func TestPrintErrors_RedactsSecrets(t *testing.T) {
	file, err := chainspec.Parse("c.yaml", []byte("name: c\nimage: {ref: nosuch}\nprepare: [{run: [init, --pass, hunter-22]}]\nstart: {}\n"+
		"ports: {rpc: 1}\nrpc: {kind: http-get, basic: {user: a, password: hunter-22}}\n"+
		"calls: {a: {path: /}}\nobserve: {height: {call: a, jq: .}, head: {call: a, jq: .}, block: {call: a, hash: ., parent: ., time: .}}\n"+
		"facts: {family: pow, quorum: 0, fork_depth: 1}\n"))
	must.Do(t, err)
	_, err = external.New(file, oneImage{}, nil, nil).Prepare(t.Context(), chain.Network{})
	var text strings.Builder
	if code := printErrors(t.Context(), &text, fmt.Errorf("prepare chain: %w", err)); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	want := "c.yaml:3:11: prepare step 1 of 1: run [\"init\" \"--pass\" \"[secret]\"]: exit 1\n" +
		"  3 | prepare: [{run: [init, --pass, *********]}]\n    |           ^\n"
	if !strings.HasPrefix(text.String(), want) {
		t.Errorf("it says\n%s", text.String())
	}
}

// oneImage is a runtime that has an image whose programs fail.
type oneImage struct{ external.Containers }

func (oneImage) BuildImage(context.Context, runtime.ImageSource, func(string)) (string, error) {
	return "sha256:1", nil
}

func (oneImage) RunCommand(context.Context, runtime.Command) (runtime.CommandResult, error) {
	return runtime.CommandResult{}, errors.New("exit 1")
}
