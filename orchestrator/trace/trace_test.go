package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// samples has one event of every kind, and the seen and head events in all their forms.
func samples() []*Event {
	return []*Event{
		{Kind: KindRun, At: -5 * time.Second, Run: &Run{
			Format: Format, ID: "r", Started: time.Unix(1, 2).UTC(), Nodes: []RunNode{{ID: "a", Mine: 1.5}},
			Edges: [][2]NodeID{{"a", "b"}}, Chain: Facts{Genesis: []byte(`{"network":"x"}`)},
			Expect: []Expectation{{Name: "x", Params: map[string]string{"b": "2", "a": "1"}}},
		}},
		{Kind: KindNode, At: -4, Node: "a", Lifecycle: &Lifecycle{State: StateUp}},
		{Kind: KindPeer, Node: "a", Peer: &Peer{Peer: "b", Up: true}},
		{Kind: KindBlock, Block: &Block{Hash: "h", Parent: "g", Height: 1, Time: time.Unix(3, 0).UTC(), Txs: []Hash{"t"}, Raw: []byte{1, 2}}},
		{Kind: KindSeen, At: 7, Node: "a", Seen: &Seen{Hash: "h", Parent: "g", Height: 1, Made: true}},
		{Kind: KindSeen, At: 8, Node: "b", Seen: &Seen{Hash: "h", Parent: "g", Height: 1, From: "a", Sync: true}},
		{Kind: KindSeen, At: 8, Node: "b", Seen: &Seen{Hash: "h", Parent: "g", Height: 1, Made: true, Sync: true, Within: 12 * time.Millisecond}},
		{Kind: KindSeen, At: -8, Node: "ü", Seen: &Seen{Hash: "h\"<", Parent: "g", Height: 1 << 63, From: "a"}},
		{Kind: KindHead, At: 9, Node: "b", Head: &Head{Hash: "h", Height: 1, Old: "g", Dropped: 2}},
		{Kind: KindHead, At: 9, Node: "b", Head: &Head{Hash: "h", Height: 1, Restored: true}},
		{Kind: KindFinal, At: 9, Node: "b", Final: &Final{Height: 1, Hash: "h"}},
		{Kind: KindSubmit, Node: "a", Submit: &Submit{Tx: "t", Error: "a < b & c"}},
		{Kind: KindFault, Fault: &Fault{ID: "f", Phase: FaultBegin, Rules: []Rule{{From: []NodeID{"a"}, To: []NodeID{"b"}, Cut: true}}}},
		{Kind: KindProbe, Probe: &Probe{Fault: "f", Phase: ProbeDuring, Links: []LinkProbe{{From: "a", To: "b", Sent: 5}}}},
		{Kind: KindStatus, Node: "a", Status: &Status{Head: "h", Final: true}},
		{Kind: KindPhase, Phase: &Phase{Name: PhaseSettling}},
		{Kind: KindGap, Gap: &Gap{From: 3, Reason: "why"}},
		{Kind: KindEnd, At: 10, End: &End{Interrupted: true}},
	}
}

func write(t testing.TB, events ...*Event) []byte {
	t.Helper()
	var out bytes.Buffer
	w := must.Get(NewWriter(&out))(t)
	for _, e := range events {
		must.Do(t, w.Append(e))
	}
	must.Do(t, w.Close())
	return out.Bytes()
}

// collect reads a trace from bytes.
func collect(data []byte) (got []*Event, err error) {
	err = read("trace", bytes.NewReader(data), func(e *Event) error {
		got = append(got, e)
		return nil
	})
	return got, err
}

// pack compresses text.
func pack(t testing.TB, text string) []byte {
	t.Helper()
	z := must.Get(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)))(t)
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.jsonl.zst")
	w := must.Get(Create(path))(t)
	for _, e := range samples() {
		must.Do(t, w.Append(e))
	}
	must.Do(t, w.Close())
	var got []*Event
	must.Do(t, Read(path, func(e *Event) error { got = append(got, e); return nil }))
	if d := cmp.Diff(samples(), got, cmpopts.IgnoreFields(End{}, "Counts", "Digest")); d != "" {
		t.Error(d)
	}
	data := must.Get(os.ReadFile(path))(t)
	if !bytes.Equal(data, write(t, samples()...)) {
		t.Error("the same events gave other bytes")
	}
}

func TestFlushMakesEventsReadable(t *testing.T) {
	var out bytes.Buffer
	w := must.Get(NewWriter(&out))(t)
	for i, e := range samples() {
		must.Do(t, w.Append(e))
		must.Do(t, w.Flush())
		got, err := collect(out.Bytes())
		var cut *TruncatedError
		if !errors.As(err, &cut) || cut.Line != i+1 || len(got) != i+1 {
			t.Fatalf("after %d events: read %d, %v", i+1, len(got), err)
		}
	}
	must.Do(t, w.Close())
}

func TestReadOfATornFile(t *testing.T) {
	var many []*Event
	for i := range 5000 {
		many = append(many, &Event{Kind: KindHead, Node: "a", At: time.Duration(i), Head: &Head{Hash: Hash(fmt.Sprintf("%x", i*7919)), Height: uint64(i)}})
	}
	data := write(t, many...)
	for n := 0; n < len(data); n += 1 + n/20 {
		got, err := collect(data[:n])
		var cut *TruncatedError
		if n > 0 && !errors.As(err, &cut) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
		for i, e := range got {
			if e.At != many[i].At || *e.Head != *many[i].Head {
				t.Fatalf("%d bytes: event %d is %+v, want %+v", n, i, e, many[i])
			}
		}
	}
	// A line without its end.
	_, err := collect(pack(t, `{"at":1,"kind":"end","end":{}}`+"\n"+`{"at":1`))
	var cut *TruncatedError
	if !errors.As(err, &cut) || cut.Line != 1 {
		t.Errorf("got %v, want a TruncatedError after line 1", err)
	}
}

func TestReadRefuses(t *testing.T) {
	const good = `{"at":1,"kind":"end","end":{}}` + "\n"
	for _, c := range []struct{ name, line, want string }{
		{"no JSON", "nonsense", "not an event"},
		{"an empty line", "", "not an event"},
		{"an unknown kind", `{"at":1,"kind":"quark"}`, "unknown kind"},
		{"no kind", `{"at":1,"end":{}}`, "unknown kind"},
		{"no payload", `{"at":1,"kind":"seen"}`, "no seen payload"},
		{"another payload", `{"at":1,"kind":"seen","end":{}}`, "no seen payload"},
		{"two payloads", `{"at":1,"kind":"end","end":{},"gap":{}}`, "2 payloads"},
		{"a wrong type", `{"at":"now","kind":"end","end":{}}`, "not an event"},
		{"something after it", `{"at":1,"kind":"end","end":{}} {}`, "not an event"},
		{"a negative height", `{"at":1,"kind":"head","node":"a","head":{"hash":"h","height":-1}}`, "not an event"},
		{"a leading zero", `{"at":01,"kind":"head","node":"a","head":{"hash":"h","height":1}}`, "not an event"},
		{"too long", strings.Repeat("x", MaxLine), "longer than"},
	} {
		_, err := collect(pack(t, good+c.line+"\n"+good))
		var bad *LineError
		if !errors.As(err, &bad) || bad.Line != 2 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.200v, want line 2 and %q", c.name, err, c.want)
		}
	}
	if _, err := collect([]byte("this is not zstd, whatever it is")); err == nil {
		t.Error("a file that is no zstd is read")
	}
	for line, want := range map[string]string{
		`{"kind":"run","run":{"format":1}}`:                                             "judge it with the version that recorded it",
		`{"kind":"run","run":{"format":2,"nodes":[{"id":"a"}]}}`:                        "judge it with the version that recorded it",
		`{"kind":"run","run":{"format":4,"nodes":{"a":{}},"plan":"in another file"}}`:   "a newer version recorded it",
		`{"kind":"begin","begin":{"by":"somebody"},"run":{"format":4,"was":"renamed"}}`: "a newer version recorded it",
	} {
		var format *FormatError
		if _, err := collect(pack(t, line+"\n")); !errors.As(err, &format) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a FormatError that says %q", line, err, want)
		}
	}
	data := write(t, samples()...)
	data[len(data)/2] ^= 0xff
	if _, err := collect(data); err == nil {
		t.Error("a damaged file is read")
	}
	if err := Read(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

func TestLongLinesAreRead(t *testing.T) {
	long := &Event{Kind: KindBlock, Block: &Block{Hash: "h", Time: time.Unix(0, 0).UTC(), Raw: bytes.Repeat([]byte{7}, 1<<20)}}
	got := must.Get(collect(write(t, long, long)))(t)
	if len(got) != 2 || !bytes.Equal(got[0].Block.Raw, long.Block.Raw) || !bytes.Equal(got[1].Block.Raw, long.Block.Raw) {
		t.Errorf("%d events came back, or others", len(got))
	}
}

func TestReadStopsAtTheCallersError(t *testing.T) {
	stop := errors.New("stop")
	n := 0
	err := read("trace", bytes.NewReader(write(t, samples()...)), func(*Event) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("got %v after %d events", err, n)
	}
}

func TestWriterRefuses(t *testing.T) {
	var out bytes.Buffer
	w := must.Get(NewWriter(&out))(t)
	for _, e := range []*Event{
		{}, {Kind: "quark"}, {Kind: KindSeen}, {Kind: KindSeen, Head: &Head{}}, {Kind: KindSeen, Seen: &Seen{}, Head: &Head{}},
		{Kind: KindGap, Gap: &Gap{Reason: strings.Repeat("x", MaxLine)}},
	} {
		if err := w.Append(e); err == nil {
			t.Errorf("%s event with a wrong payload is written", e.Kind)
		}
	}
	if err := w.Append(&Event{Kind: KindEnd, End: &End{}}); err != nil {
		t.Fatalf("after refused events: %v", err)
	}
	if err := w.Append(&Event{Kind: KindGap, Gap: &Gap{}}); !errors.Is(err, ErrEnded) {
		t.Errorf("Append after the end event: %v", err)
	}
	must.Do(t, w.Close())
	if err := w.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := w.Append(&Event{Kind: KindEnd, End: &End{}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	if err := w.Flush(); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
	if got, err := collect(out.Bytes()); err != nil || len(got) != 1 {
		t.Errorf("read %d events, %v; want the good one", len(got), err)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "no", "such", "dir")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Create: %v", err)
	}
}

// fullDisk fails after some bytes.
type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterKeepsItsFirstError(t *testing.T) {
	w := must.Get(NewWriter(&fullDisk{room: 10}))(t)
	e := &Event{Kind: KindEnd, End: &End{Error: "x"}}
	must.Do(t, w.Append(e))
	if err := w.Flush(); !errors.Is(err, errFull) {
		t.Fatalf("Flush: %v", err)
	}
	if err := w.Append(e); !errors.Is(err, errFull) {
		t.Errorf("Append: %v", err)
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v", err)
	}
}

func TestAppendIsConcurrent(t *testing.T) {
	var out bytes.Buffer
	w := must.Get(NewWriter(&out))(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				e := &Event{Kind: KindHead, Node: NodeID(fmt.Sprint(g)), Head: &Head{Height: uint64(i)}}
				if err := w.Append(e); err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					if err := w.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	must.Do(t, w.Close())
	got, err := collect(out.Bytes())
	if err != nil || len(got) != 800 {
		t.Fatalf("read %d events, %v", len(got), err)
	}
	next := make(map[NodeID]uint64)
	for _, e := range got {
		if e.Head.Height != next[e.Node] {
			t.Fatalf("events of %s are out of order", e.Node)
		}
		next[e.Node]++
	}
}

func TestReadSorted(t *testing.T) {
	at := func(d time.Duration, n NodeID) *Event {
		return &Event{At: d, Kind: KindHead, Node: n, Head: &Head{}}
	}
	const s = time.Second
	events := []*Event{
		{At: 3 * s, Kind: KindRun, Run: &Run{Format: Format}},
		at(-s, "1"), at(2*s, "3"), at(s, "2"), at(2*s, "4"),
		at(9*s, "6"), at(8*s, "5"), at(20*s, "8"), at(9*s, "late"), {At: 0, Kind: KindEnd, End: &End{}},
	}
	path := filepath.Join(t.TempDir(), "t")
	must.Do(t, os.WriteFile(path, write(t, events...), 0o600))
	var got []string
	collect := func(e *Event) error {
		got = append(got, string(e.Kind)+string(e.Node))
		return nil
	}
	must.Do(t, ReadSorted(path, collect))
	want := []string{"run", "head1", "head2", "head3", "head4", "head5", "head6", "headlate", "head8", "end"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	stop := errors.New("stop")
	if err := ReadSorted(path, func(*Event) error { return stop }); err != stop {
		t.Errorf("got %v, want the caller's error", err)
	}

	// A torn file gives what is held, and then the error.
	var out bytes.Buffer
	w := must.Get(NewWriter(&out))(t)
	for _, e := range events[:4] {
		must.Do(t, w.Append(e))
	}
	must.Do(t, w.Flush())
	torn := bytes.Clone(out.Bytes())
	must.Do(t, w.Close())
	must.Do(t, os.WriteFile(path, torn, 0o600))
	got = nil
	var cut *TruncatedError
	if err := ReadSorted(path, collect); !errors.As(err, &cut) || cut.Line != 4 {
		t.Errorf("got %v, want a TruncatedError after line 4", err)
	}
	if d := cmp.Diff(want[:4], got); d != "" {
		t.Error(d)
	}
}

// Lines of a node may come seconds late, and a node whose clock is wrong may claim any time.
func TestReadSorted_LateAndWrongTimes(t *testing.T) {
	const s = time.Second
	head := func(d time.Duration, n NodeID) *Event { return &Event{At: d, Kind: KindHead, Node: n, Head: &Head{}} }
	fault := func(d time.Duration) *Event { return &Event{At: d, Kind: KindFault, Fault: &Fault{}} }
	events := []*Event{{Kind: KindRun, Run: &Run{Format: Format}}}
	for i := range time.Duration(40) {
		events = append(events, head(i*s, "good"), fault(i*s+s/2))
		if i >= 5 {
			events = append(events, head((i-5)*s+s/4, "late"))
		}
		events = append(events, head(i*s+30*s, "ahead"))
	}
	path := filepath.Join(t.TempDir(), "t")
	must.Do(t, os.WriteFile(path, write(t, events...), 0o600))
	var latest time.Duration
	must.Do(t, ReadSorted(path, func(e *Event) error {
		if e.Kind != KindRun && e.At < latest {
			t.Errorf("%s of %q at %v comes after %v", e.Kind, e.Node, e.At, latest)
		}
		latest = max(latest, e.At)
		return nil
	}))
}

func TestSorterLetsGoWhenItHoldsTooMuch(t *testing.T) {
	const limit = 1000
	s := sorter{limit: limit}
	given := 0
	count := func(*Event) error { given++; return nil }
	for i := range limit + 10 {
		e := &Event{At: time.Duration(-i), Kind: KindHead, Head: &Head{}} // the worst order
		must.Do(t, s.add(e, count))
	}
	if given != 10 || s.held() != limit {
		t.Errorf("%d events given and %d held, want 10 and %d", given, s.held(), limit)
	}
	if err := s.drain(count); err != nil || given != limit+10 {
		t.Errorf("%d events given, %v", given, err)
	}
}

func TestFastDecoderAgrees(t *testing.T) {
	var d decoder
	fast := 0
	for _, e := range samples() {
		line := must.Get(json.Marshal(e))(t)
		if got := d.fast(line); got != nil {
			fast++
			if diff := cmp.Diff(e, got); diff != "" {
				t.Error(diff)
			}
		}
		// Every beginning of it must be refused or left to encoding/json.
		for i := range line {
			if d.fast(line[:i]) != nil {
				t.Errorf("fast decoder took %q", line[:i])
			}
		}
	}
	if fast != 5 {
		t.Errorf("%d events went the fast way, want the 5 plain seen and head events", fast)
	}
	for i := range 2*maxKnown + 10 {
		if s := fmt.Sprint(i); d.share([]byte(s)) != s {
			t.Fatal("shared string is another")
		}
	}
	if len(d.known) > maxKnown {
		t.Errorf("%d shared strings, at most %d are allowed", len(d.known), maxKnown)
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		line := must.Get(json.Marshal(e))(f)
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var d decoder
		e := d.fast(line)
		if e == nil {
			_, _ = d.decode(line)
			return
		}
		slow := new(Event)
		if err := json.Unmarshal(line, slow); err != nil {
			t.Fatalf("encoding/json refuses what the fast way takes: %v", err)
		}
		if diff := cmp.Diff(slow, e); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, samples()...))
	f.Add(pack(f, "{}\n\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		err := read("trace", bytes.NewReader(data), func(e *Event) error { return Validate(e) })
		if err != nil && errors.Is(err, io.EOF) {
			t.Fatalf("end of file is reported as it is: %v", err)
		}
	})
}
