package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

// recorded is a small run of nodes a and b, as the lines of its file.
func recorded(t testing.TB) []string {
	events := []*Event{
		{Kind: KindRun, Run: &Run{Format: Format, Nodes: []RunNode{{ID: "a"}, {ID: "b"}}, Plan: &Plan{}}},
		{Kind: KindPhase, Phase: &Phase{Name: PhaseScheduled}},
	}
	for _, n := range []NodeID{"a", "b"} {
		events = append(events, &Event{Kind: KindNode, Node: n, Lifecycle: &Lifecycle{State: StateUp}})
		for i := range 3 {
			events = append(events, &Event{Kind: KindHead, Node: n, Head: &Head{Hash: Hash(fmt.Sprint(i)), Height: uint64(i)}})
		}
	}
	events = append(events, &Event{Kind: KindSubmit, Node: "a", Submit: &Submit{Tx: "t"}},
		&Event{Kind: KindHead, Node: "unknown", Head: &Head{}}, &Event{Kind: KindEnd, End: &End{}})
	var lines []string
	must.Do(t, read("trace", bytes.NewReader(write(t, events...)), func(e *Event) error {
		lines = append(lines, string(must.Get(json.Marshal(e))(t)))
		return nil
	}))
	return lines
}

func TestRead_AlteredTrace(t *testing.T) {
	without := func(words ...string) func([]string) []string {
		return func(l []string) []string {
			return slices.DeleteFunc(l, func(line string) bool {
				return !strings.Contains(line, `"kind":"end"`) && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
			})
		}
	}
	replace := func(old, text string) func([]string) []string {
		return func(l []string) []string {
			return strings.Split(strings.Replace(strings.Join(l, "\n"), old, text, 1), "\n")
		}
	}
	for _, c := range []struct {
		name string
		edit func([]string) []string
		want []string // nothing: it is as it was recorded
	}{
		{"nothing", func(l []string) []string { return l }, nil},
		{"an event removed", without(`"node":"a"`, `"height":1`), []string{"1 of 3 head events of a are missing"}},
		{"all events of a node removed", without(`"node":"b"`), []string{"all 4 events of b are missing"}},
		{"a kind removed", without(`"kind":"node"`), []string{"all 2 node events are missing"}},
		{"a kind of one node removed", without(`"kind":"submit"`), []string{"all 1 submit events of a are missing"}},
		{"an event of the run removed", without(`"kind":"phase"`), []string{"all 1 phase events are missing"}},
		{"an event about an unknown node removed", without(`"node":"unknown"`), []string{"all 1 head events are missing"}},
		{"an event twice", func(l []string) []string { return slices.Insert(l, 3, l[3]) }, []string{"4 head events of a are there, 3 were recorded"}},
		{"an event changed", replace(`"hash":"1"`, `"hash":"x"`), []string{"events of a were changed"}},
		{"an event given to another node", replace(`"kind":"head","node":"b"`, `"kind":"head","node":"a"`),
			[]string{"4 head events of a are there, 3 were recorded", "1 of 3 head events of b are missing"}},
		{"the plan changed", replace(`"settle":0`, `"settle":1`), []string{"events of the whole run were changed"}},
		{"two events of different nodes swapped", func(l []string) []string { l[5], l[6] = l[6], l[5]; return l }, []string{"the order of its events was changed"}},
		{"two events of one node swapped", func(l []string) []string { l[3], l[4] = l[4], l[3]; return l }, []string{"events of a were changed"}},
		{"white space added", replace(`"kind":"submit"`, `"kind": "submit"`), []string{"events of a were changed"}},
		{"counts removed", func(l []string) []string { return append(l[:len(l)-1], `{"at":0,"kind":"end","end":{}}`) },
			[]string{"its end event does not count the events before it"}},
		{"a count changed", replace(`"head":3,`, `"head":4,`), []string{"1 of 4 head events of a are missing"}},
		{"the digest changed", replace(`]`+`,"digest":"`, `]`+`,"digest":"f`), []string{"the order of its events was changed"}},
		{"an event after the end", func(l []string) []string { return append(l, l[1]) }, []string{afterEnd}},
		{"a second end", func(l []string) []string { return append(l, l[len(l)-1]) }, []string{afterEnd}},
		{"the end event is not the last", func(l []string) []string { return append(slices.Insert(l, 4, l[len(l)-1])[:len(l)], l[4:len(l)-1]...) },
			[]string{"all 4 events of b are missing", "2 of 3 head events of a are missing", afterEnd}},
	} {
		lines := recorded(t)
		whole := len(lines)
		got, err := collect(pack(t, strings.Join(c.edit(lines), "\n")+"\n"))
		var altered *AlteredError
		switch {
		case c.want == nil:
			if err != nil || len(got) != whole {
				t.Errorf("%s: %d events, %v", c.name, len(got), err)
			}
		case !errors.As(err, &altered):
			t.Errorf("%s: got %v, want an *AlteredError", c.name, err)
		default:
			for _, w := range c.want {
				if !strings.Contains(strings.Join(altered.Changes, "; "), w) {
					t.Errorf("%s: %q lacks %q", c.name, altered.Changes, w)
				}
			}
		}
	}
	// No end event is no change: the reader of the events sees it.
	lines := recorded(t)
	if _, err := collect(pack(t, strings.Join(lines[:5], "\n")+"\n")); err != nil {
		t.Error(err)
	}
}

// TestRead_MissingByOne removes every single event, and every pair of neighbours.
func TestRead_MissingByOne(t *testing.T) {
	lines := recorded(t)
	for n := 1; n <= 2; n++ {
		for i := 1; i+n < len(lines); i++ {
			_, err := collect(pack(t, strings.Join(slices.Delete(slices.Clone(lines), i, i+n), "\n")+"\n"))
			var altered *AlteredError
			if !errors.As(err, &altered) || !strings.Contains(err.Error(), "missing") {
				t.Errorf("without lines %d to %d: %v", i, i+n, err)
			}
		}
	}
}

func TestAlteredError_StatesTheFirst(t *testing.T) {
	e := &AlteredError{Path: "t", Changes: []string{"a", "b", "c", "d", "e"}}
	if d := cmp.Diff("t: not as it was recorded: a, b, c and 2 more", e.Error()); d != "" {
		t.Error(d)
	}
}
