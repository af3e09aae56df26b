package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
)

func TestSafeWriter(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain text, ünïcode …\n\tindented\n", "plain text, ünïcode …\n\tindented\n"},
		{"\x1b[31mred\x1b]0;title\a\r\x7f\x00", `\u001b[31mred\u001b]0;title\u0007\u000d\u007f\u0000`},
		{"C1 \u009b31m \u0085, bidi \u202e\u2066\u200f, lines \u2028", `C1 \u009b31m \u0085, bidi \u202e\u2066\u200f, lines \u2028`},
		{"bytes \xff\xc0\x80.", `bytes \xff\xc0\x80.`},
		{"::error::x\n", ":\\u003aerror::x\n"},
		{" \t::add-mask::x\n a ::b\n:x:\n: :\n:::\n", " \t:\\u003aadd-mask::x\n a ::b\n:x:\n: :\n:\\u003a:\n"},
		{"##[error]x ##vso[task x]y ##teamcity[z # #[a] #1 [b] ## [c]\n", "##\\u005berror]x ##vso\\u005btask x]y ##teamcity\\u005bz # #[a] #1 [b] ## [c]\n"},
		{"incomplete \xe2\x82", `incomplete \xe2\x82`},
	} {
		for _, size := range []int{1, 2, 3, 1000} {
			var out bytes.Buffer
			w := &safeWriter{w: &out}
			for rest := []byte(c.in); len(rest) > 0; {
				n := min(size, len(rest))
				if got, err := w.Write(rest[:n]); got != n || err != nil {
					t.Fatal(got, err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("%q, %d bytes a write: got %q, want %q", c.in, size, out.String(), c.want)
			}
		}
	}
}

func TestSafeWriter_Colours(t *testing.T) {
	in := "\x1b[1;31mred\x1b[0;22mend \x1b[8mhidden \x1b[2J \x1b]0;t\a \x1b"
	want := "\x1b[1;31mred\x1b[0;22mend " + `\u001b[8mhidden \u001b[2J \u001b]0;t\u0007 \x1b`
	for _, size := range []int{1, 1000} {
		var out bytes.Buffer
		w := &safeWriter{w: &out, colour: true}
		for rest := in; rest != ""; rest = rest[min(size, len(rest)):] {
			if _, err := w.Write([]byte(rest[:min(size, len(rest))])); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
}

// What a JSON text means stays the same.
func TestSafeWriter_JSON(t *testing.T) {
	text := "::error::\u009b\u202e##[x]\x1b[31m\x7f\n::warning::"
	var out bytes.Buffer
	if err := (output{w: &safeWriter{w: &out}}).value([]string{text}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got[0] != text {
		t.Errorf("%q, %v", got, err)
	}
	if strings.ContainsAny(out.String(), "\x7f\u009b\u202e") || strings.Contains(out.String(), "##[") {
		t.Errorf("%q", out.String())
	}
}

func FuzzSafeWriter(f *testing.F) {
	f.Add([]byte("\x1b[31m::x\n ::##[a\u202e\xff"), 3)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var whole, parts bytes.Buffer
		a, b := &safeWriter{w: &whole}, &safeWriter{w: &parts}
		size = max(1, size)
		_, _ = a.Write(in)
		for rest := in; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			_, _ = b.Write(rest[:min(size, len(rest))])
		}
		a.Close()
		b.Close()
		if whole.String() != parts.String() {
			t.Fatalf("%q in parts of %d: %q and %q", in, size, whole.String(), parts.String())
		}
		for line := range strings.Lines(whole.String()) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.ContainsAny(line, "\x1b\r\u009b\u202e") {
				t.Fatalf("%q: %q", in, line)
			}
		}
	})
}

// Commands that read end at once when they are interrupted, whatever they wait for.
func TestReadOnly_Interrupted(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	must.Do(t, syscall.Mkfifo(pipe, 0o600))
	for _, args := range [][]string{{"validate", pipe}, {"catalog", pipe}, {"run", pipe}, {"up", pipe}} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		var out, errs bytes.Buffer
		code := execute(ctx, &env{stdout: &out, stderr: &errs}, openDocker, append([]string{"netsplit"}, args...))
		if code != exitInterrupted {
			t.Errorf("%v: exit code %d: %s", args, code, errs.String())
		}
		cancel()
		// Let the abandoned reader end.
		w := must.Get(os.OpenFile(pipe, os.O_WRONLY, 0))(t)
		must.Do(t, w.Close())
	}
}

// What a scenario says of itself does not act on who reads it.
func TestOutput_Injection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	must.Do(t, os.WriteFile(file, []byte(`name: s
description: "x\n::error::owned\n##[error]y \u001b[2J\u009b"
nodes: [{name: miner, count: 2, mine: 100/s}]
duration: 3s
settle: 2s
`), 0o600))
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for _, args := range [][]string{{"run", file, "--runtime", "sim", "--allow-unknown"}, {"catalog", file}, {"validate", file + "::error::\x1b"}} {
		var out, errs bytes.Buffer
		execute(t.Context(), &env{stdout: &out, stderr: &errs}, openDocker, append([]string{"netsplit"}, args...))
		for line := range strings.Lines(out.String() + errs.String()) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.ContainsAny(line, "\x1b\u009b") {
				t.Errorf("%v: %q", args, line)
			}
		}
	}
}
