package main

import (
	"bytes"
	"testing"

	"github.com/netsplit/netsplit/node/version"
)

func TestRun_VersionIsTheSameInEveryMode(t *testing.T) {
	want := "netsplit " + version.String() + "\n"
	for _, args := range [][]string{{"--version"}, {"node", "--version"}, {"agent", "--version"}} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"netsplit"}, args...), &stdout, &stderr)
		if code != 0 || stdout.String() != want || stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, printed %q %q, want %q", args, code, &stdout, &stderr, want)
		}
	}
}
