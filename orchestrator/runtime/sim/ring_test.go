package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRingKeepsTheLastLines(t *testing.T) {
	r := ring{limit: maxLogBytes}
	if got := r.tail(5); got != nil {
		t.Fatalf("empty: %q", got)
	}
	for i := range 10 * maxLines {
		r.add(fmt.Appendf(nil, "line %d", i))
		if r.lines > maxLines {
			t.Fatalf("%d lines are kept", r.lines)
		}
		if i == 2 {
			if got := r.tail(2); !slices.Equal(got, []string{"line 1", "line 2"}) {
				t.Fatalf("tail %q", got)
			}
			if got := r.tail(100); len(got) != 3 {
				t.Fatalf("tail of all: %q", got)
			}
		}
	}
	got := r.tail(maxLines / 2)
	if len(got) != maxLines/2 || got[len(got)-1] != fmt.Sprintf("line %d", 10*maxLines-1) {
		t.Fatalf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	if r.tail(0) != nil || r.tail(-1) != nil {
		t.Error("no lines were asked for")
	}
}

func TestRingIsBoundedInBytes(t *testing.T) {
	r := ring{limit: 100}
	for i := range 50 {
		r.add([]byte(strings.Repeat("x", i)))
		if len(r.buf) > r.limit {
			t.Fatalf("%d bytes after line %d", len(r.buf), i)
		}
		if got := r.tail(1); len(got) != 1 || len(got[0]) != i {
			t.Fatalf("last line %q, want %d bytes", got, i)
		}
	}
	r.add([]byte(strings.Repeat("y", 1000)))
	if got := r.tail(10); len(got) != 1 || len(got[0]) != 99 {
		t.Fatalf("a line longer than the log: %q", got)
	}
}

func TestRingLimits(t *testing.T) {
	for n, want := range map[int]int{0: maxLogBytes, 1: maxLogBytes, 1024: 64 << 10, 10000: minLogBytes} {
		if got := limitFor(n); got != want {
			t.Errorf("%d nodes: %d bytes each, want %d", n, got, want)
		}
	}
}

func TestRingAddText(t *testing.T) {
	r := ring{limit: 1000}
	r.addText("one\ntwo\r\n\nfour")
	r.addText("")
	if got, want := r.tail(10), []string{"one", "two", "", "four"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
