package daemon

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// childConfig, in the environment of this test binary, makes it run as "netsplit node --config" on that file.
const childConfig = "NETSPLIT_TEST_NODE"

func TestMain(m *testing.M) {
	if file := os.Getenv(childConfig); file != "" {
		os.Exit(Main(context.Background(), []string{"--config", file}, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func TestMain_Arguments(t *testing.T) {
	bad := writeConfig(t, "{\n  \"nam\": 1}")
	noData := testConfig(t, 1)
	noData.Data = bad // not a directory
	tests := map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"none":         {nil, 2, "", "--config is required"},
		"unknown flag": {[]string{"--conf", "x"}, 2, "", "not defined: -conf"},
		"argument":     {[]string{"--config", "x", "y"}, 2, "", `unexpected argument "y"`},
		"no file":      {[]string{"--config", "/nonexistent/x"}, 2, "", "/nonexistent/x: no such file"},
		"bad file":     {[]string{"--config", bad}, 2, "", bad + `:2:3: unknown key "nam"`},
		"run fails":    {[]string{"--config", configFile(t, noData)}, 1, "", "netsplit node n1: make data directory"},
		"version":      {[]string{"--version"}, 0, "netsplit devel", ""},
		"help":         {[]string{"--help"}, 0, "Usage: netsplit node", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := Main(t.Context(), tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || tt.stdout == "" && stdout.Len() > 0 {
				t.Errorf("stdout %q, want %q in it", &stdout, tt.stdout)
			}
			if !strings.Contains(stderr.String(), tt.stderr) || tt.stderr == "" && stderr.Len() > 0 {
				t.Errorf("stderr %q, want %q in it", &stderr, tt.stderr)
			}
		})
	}
}
