package docker

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
)

func TestRestore(t *testing.T) {
	for _, c := range []struct {
		is        fakeContainer
		verb      faults.Verb
		did, fail string
		left      int
	}{
		{fakeContainer{state: "paused", addr: "10.0.0.1"}, faults.Resume, "unpause x", "", 0},
		{fakeContainer{state: "running", addr: "10.0.0.1"}, faults.Resume, "", "", 0},
		{fakeContainer{state: "exited", addr: "10.0.0.1"}, faults.Resume, "", "", 0},
		{fakeContainer{state: "exited", addr: "10.0.0.1"}, faults.Start, "start x", "", 0},
		{fakeContainer{state: "paused", addr: "10.0.0.1"}, faults.Start, "unpause x", "", 0}, // killed between note and act
		{fakeContainer{state: "running", addr: "10.0.0.1"}, faults.Start, "", "", 0},
		{fakeContainer{state: "exited", addr: "10.0.0.1", started: "since"}, faults.Start, "", "", 0}, // its owner stopped it
		{fakeContainer{state: "paused", addr: "10.0.0.1", started: "since"}, faults.Resume, "", "", 0},
		{fakeContainer{state: "running", addr: "10.0.0.2", started: "since"}, faults.Start, "", "", 0},
		{fakeContainer{state: "exited", addr: "10.0.0.2"}, faults.Start, "start x", "10.0.0.2 instead of 10.0.0.1", 0},
		{fakeContainer{state: "exited", startErr: errors.New("port is taken")}, faults.Start, "", "start container alice, which a fault had ended or paused: port is taken", 1},
		{fakeContainer{err: errdefs.ErrNotFound}, faults.Start, "", "", 0},
		{fakeContainer{err: errors.New("busy")}, faults.Start, "", "busy", 1},
	} {
		e := newFakeEngine()
		e.containers["x"] = &c.is
		l := &restoreJournal{file: filepath.Join(t.TempDir(), restoreFile), Testnet: "t", Network: "n"}
		must.Do(t, l.put(restoreStep{Container: "x", Name: "alice", Addr: netip.MustParseAddr("10.0.0.1"), Verb: c.verb}))
		err := restoreRun(t.Context(), e, l.file, "t")
		if strings.Join(e.did, " ") != c.did || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: did %v, %v", c, e.did, err)
		}
		if left, err := readJournal(l.file, "t"); err != nil || len(left.Steps) != c.left {
			t.Errorf("%+v: left %+v, %v", c, left, err)
		}
	}
	gone := network.EndpointSettings{NetworkID: "other"}
	must.Fail(t, "")(addrOn(map[string]*network.EndpointSettings{"x": &gone}, "n"))
}

// The engine gives the lowest address that is free.
func TestRestore_AddressOrder(t *testing.T) {
	e := newFakeEngine()
	l := &restoreJournal{Network: "n"}
	for _, addr := range []string{"10.0.0.10", "10.0.0.9", "10.0.0.2"} {
		e.containers[addr] = &fakeContainer{state: "exited", addr: addr}
		must.Do(t, l.put(restoreStep{Container: addr, Addr: netip.MustParseAddr(addr), Verb: faults.Start}))
	}
	if err := l.restore(t.Context(), e); err != nil || !slices.Equal(e.did, []string{"start 10.0.0.2", "start 10.0.0.9", "start 10.0.0.10"}) {
		t.Errorf("did %v, %v", e.did, err)
	}
	if len(l.Steps) != 0 {
		t.Errorf("left %v", l.Steps)
	}
}

func TestJournal_OnDisk(t *testing.T) {
	dir := t.TempDir()
	l := &restoreJournal{file: filepath.Join(dir, restoreFile), Testnet: "t", Network: "n"}
	a := restoreStep{Container: "a", Name: "alice", Addr: netip.MustParseAddr("10.0.0.1"), Verb: faults.Resume, Started: "then"}
	b := restoreStep{Container: "b", Name: "bob", Addr: netip.MustParseAddr("10.0.0.2"), Verb: faults.Start, Started: "then"}
	dead := a
	dead.Verb = faults.Start
	for _, s := range []restoreStep{a, b, dead} {
		must.Do(t, l.put(s))
	}
	read := must.Get(readJournal(l.file, "t"))(t)
	if diff := cmp.Diff(&restoreJournal{Testnet: "t", Network: "n", Steps: []restoreStep{b, dead}}, read,
		cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "file" }, cmp.Ignore()),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if other, err := readJournal(l.file, "another"); err != nil || len(other.Steps) > 0 || other.file != "" {
		t.Errorf("another testnet's: %+v, %v", other, err)
	}
	for _, name := range []string{"a", "nobody", "b"} {
		must.Do(t, l.drop(name))
	}
	wantEmpty(t, dir)
	lost := &restoreJournal{file: filepath.Join(dir, "gone", restoreFile)}
	must.Fail(t, fs.ErrNotExist)(lost.put(a))
}

func TestReadJournal_Errors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, restoreFile)
	for text, want := range map[string]string{
		"": "EOF", "{": "unexpected EOF", `{"steps": 1}`: "cannot unmarshal", `{"hold": []}`: "unknown field",
		`{"steps": [{"container": "x", "verb": "kill"}]}`:  `container "x" cannot be restored by "kill"`,
		`{"steps": [{"container": "", "verb": "start"}]}`:  `container "" cannot be restored`,
		`{"steps": [{"container": "x", "addr": "first"}]}`: "first",
		strings.Repeat(" ", maxJournal+1):                  "not a small regular file",
	} {
		must.Do(t, os.WriteFile(file, []byte(text), 0o600))
		must.Fail(t, want)(restoreRun(t.Context(), newFakeEngine(), file, "t"))
	}
	must.Fail(t, "")(readJournal(dir, "t"))
	must.Fail(t, "")(readJournal(filepath.Join(file, "x"), "t"))
	if l, err := readJournal("", "t"); err != nil || len(l.Steps) > 0 {
		t.Errorf("none: %+v, %v", l, err)
	}
}

// A testnet whose containers cannot be restored stays, for another try; the others are removed.
func TestRemoveAll_KeepsUnrestoredTestnets(t *testing.T) {
	file := filepath.Join(t.TempDir(), restoreFile)
	l := &restoreJournal{file: file, Testnet: "a", Network: "n"}
	must.Do(t, l.put(restoreStep{Container: "x", Name: "alice", Addr: netip.MustParseAddr("10.0.0.1"), Verb: faults.Start}))
	e := newFakeEngine()
	e.add("a", 0, labelRestore, file)
	e.add("b", 1)
	x := &fakeContainer{state: "exited", startErr: errors.New("port is taken")}
	e.containers["x"] = x
	done, err := removeAll(t.Context(), e, "/nowhere", false)
	if err == nil || !strings.Contains(err.Error(), "testnet a: start container alice") || !slices.Equal(done.IDs, []string{"b"}) {
		t.Errorf("removed %v, %v", done, err)
	}
	if len(e.containers) != 2 {
		t.Errorf("left %v", e.containers)
	}
	x.startErr, x.addr = nil, "10.0.0.1"
	if done, err = removeAll(t.Context(), e, "/nowhere", false); !slices.Equal(done.IDs, []string{"a"}) || err != nil {
		t.Errorf("removed %v, %v", done, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) || len(e.did) != 1 {
		t.Errorf("did %v, %v", e.did, err)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"testnet": "t", "network": "n", "steps": [{"container": "x", "name": "a", "addr": "10.0.0.1", "verb": "start", "started": ""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l restoreJournal
		if l.decode(text) != nil {
			return
		}
		for _, s := range l.Steps {
			if s.Verb != faults.Resume && s.Verb != faults.Start {
				t.Errorf("%q is to be restored by %q", s.Container, s.Verb)
			}
		}
	})
}
