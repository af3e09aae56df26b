package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// AlteredError says that a trace has an end event and is not what was recorded: its events are not those that the end event
// counts. All of them were read.
type AlteredError struct {
	Path string
	// Changes say what is missing, too much or different, the gravest first: "30 of 435 head events of miner-1 are missing".
	Changes []string
}

// maxChanges is how many changes a message states.
const maxChanges = 3

// Error implements error.
func (e *AlteredError) Error() string {
	text := strings.Join(e.Changes[:min(len(e.Changes), maxChanges)], ", ")
	if more := len(e.Changes) - maxChanges; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return e.Path + ": not as it was recorded: " + text
}

// tally counts the lines of a trace: Writer puts what it finds into the end event, Read compares.
type tally struct {
	nodes map[NodeID]*nodeTally // those of the run event, and "" for all others
	all   *xxhash.Digest
	last  *nodeTally // of the node lastNode
	name  NodeID
}

type nodeTally struct {
	events []int          // by the number of the kind; nil: none
	digest *xxhash.Digest // nil: no events
}

// kinds are all kinds of event, the most frequent first.
var kinds = func() (list []Kind) {
	for _, p := range payloads(&Event{}) {
		list = append(list, p.kind)
	}
	return list
}()

func newTally() *tally {
	t := &tally{nodes: map[NodeID]*nodeTally{"": {}}, all: xxhash.New()}
	t.last = t.nodes[""]
	return t
}

// add counts an event, which is not the end event. line is what it takes in the file, with its newline.
func (t *tally) add(e *Event, line []byte) {
	if e.Kind == KindRun {
		for _, n := range e.Run.Nodes {
			if t.nodes[n.ID] == nil {
				t.nodes[n.ID] = &nodeTally{}
			}
		}
		t.last, t.name = t.nodes[""], ""
	}
	if e.Node != t.name {
		n, ok := t.nodes[e.Node]
		if !ok {
			n = t.nodes[""]
		}
		t.last, t.name = n, e.Node
	}
	n := t.last
	if n.digest == nil {
		n.events, n.digest = make([]int, len(kinds)), xxhash.New()
	}
	n.events[slices.Index(kinds, e.Kind)]++
	// Writes to a digest never fail.
	_, _ = n.digest.Write(line)
	_, _ = t.all.Write(line)
}

// counts are those of the end event.
func (t *tally) counts() (counts []Count, digest string) {
	for id, n := range t.nodes {
		if n.digest == nil {
			continue
		}
		c := Count{Node: id, Events: make(map[Kind]int), Digest: hexDigest(n.digest)}
		for i, events := range n.events {
			if events > 0 {
				c.Events[kinds[i]] = events
			}
		}
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b Count) int { return strings.Compare(string(a.Node), string(b.Node)) })
	return counts, hexDigest(t.all)
}

func hexDigest(d *xxhash.Digest) string { return fmt.Sprintf("%016x", d.Sum64()) }

// compare says how the lines that were counted differ from those that the end event counts.
func (t *tally) compare(end *End) []string {
	if end.Digest == "" {
		return []string{"its end event does not count the events before it"}
	}
	got, digest := t.counts()
	d := newDifferences(end.Counts, got)
	changes := slices.Concat(d.wholeNodes(), d.wholeKinds(), d.counts(), d.digests())
	if len(changes) == 0 && digest != end.Digest {
		return []string{"the order of its events was changed"}
	}
	return changes
}

// differences are those between the events that an end event counts and those that are there.
type differences struct {
	nodes     []NodeID // in order
	want, got map[NodeID]Count
}

func newDifferences(want, got []Count) *differences {
	d := &differences{want: make(map[NodeID]Count), got: make(map[NodeID]Count)}
	for _, c := range want {
		c.Events = maps.Clone(c.Events) // the end event stays as it is
		d.want[c.Node] = c
	}
	for _, c := range got {
		d.got[c.Node] = c
	}
	for _, c := range slices.Concat(want, got) {
		d.nodes = append(d.nodes, c.Node)
	}
	slices.Sort(d.nodes)
	d.nodes = slices.Compact(d.nodes)
	return d
}

// wholeNodes are the nodes of which nothing is left.
func (d *differences) wholeNodes() (changes []string) {
	for _, n := range d.nodes {
		if _, ok := d.got[n]; ok || n == "" {
			continue
		}
		sum := 0
		for _, events := range d.want[n].Events {
			sum += events
		}
		changes = append(changes, fmt.Sprintf("all %d events of %s are missing", sum, n))
		delete(d.want, n)
	}
	return changes
}

// wholeKinds are the kinds of which nothing is left although several nodes, or the run, had some.
func (d *differences) wholeKinds() (changes []string) {
	for _, kind := range kinds {
		var want, got, nodes int
		for _, n := range d.nodes {
			want += d.want[n].Events[kind]
			got += d.got[n].Events[kind]
			if d.want[n].Events[kind] > 0 {
				nodes++
			}
		}
		if got > 0 || want < 2 || nodes < 2 {
			continue
		}
		changes = append(changes, fmt.Sprintf("all %d %s events are missing", want, kind))
		for _, n := range d.nodes {
			delete(d.want[n].Events, kind)
		}
	}
	return changes
}

// counts are the other differences of counts.
func (d *differences) counts() (changes []string) {
	for _, n := range d.nodes {
		for _, kind := range kinds {
			want, got := d.want[n].Events[kind], d.got[n].Events[kind]
			of := fmt.Sprintf("%s events", kind)
			if n != "" {
				of += " of " + string(n)
			}
			switch {
			case got == 0 && want > 0:
				changes = append(changes, fmt.Sprintf("all %d %s are missing", want, of))
			case got < want:
				changes = append(changes, fmt.Sprintf("%d of %d %s are missing", want-got, want, of))
			case got > want:
				changes = append(changes, fmt.Sprintf("%d %s are there, %d were recorded", got, of, want))
			}
		}
	}
	return changes
}

// digests are the nodes whose events were changed and not counted otherwise.
func (d *differences) digests() (changes []string) {
	for _, n := range d.nodes {
		want, ok := d.want[n]
		got := d.got[n]
		if !ok || want.Digest == got.Digest || !sameCounts(want, got) {
			continue
		}
		if n == "" {
			changes = append(changes, "events of the whole run were changed")
		} else {
			changes = append(changes, fmt.Sprintf("events of %s were changed", n))
		}
	}
	return changes
}

func sameCounts(a, b Count) bool {
	for _, kind := range kinds {
		if a.Events[kind] != b.Events[kind] {
			return false
		}
	}
	return true
}
