package runtimetest

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
)

// sink is a runtime.Sink that keeps what it is told.
type sink struct {
	mu    sync.Mutex
	lines map[faults.NodeID][]string
	gaps  map[faults.NodeID][]error
	exits map[faults.NodeID][]error
}

func newSink() *sink {
	return &sink{
		lines: make(map[faults.NodeID][]string),
		gaps:  make(map[faults.NodeID][]error),
		exits: make(map[faults.NodeID][]error),
	}
}

// Line implements runtime.Sink.
func (s *sink) Line(id faults.NodeID, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[id] = append(s.lines[id], string(line))
}

// Gap implements runtime.Sink.
func (s *sink) Gap(id faults.NodeID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps[id] = append(s.gaps[id], err)
}

// Exit implements runtime.Sink.
func (s *sink) Exit(id faults.NodeID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exits[id] = append(s.exits[id], err)
}

// printed returns the lines of a node until now.
func (s *sink) printed(id faults.NodeID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines[id])
}

// events returns the events of a kind among the lines of a node.
func (s *sink) events(id faults.NodeID, kind node.EventKind) []node.Event {
	var out []node.Event
	for _, line := range s.printed(id) {
		var e node.Event
		if json.Unmarshal([]byte(line), &e) == nil && e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// exited returns how often a node ended by itself.
func (s *sink) exited(id faults.NodeID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.exits[id])
}

// troubles returns how many gaps and exits there were.
func (s *sink) troubles() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, errs := range s.gaps {
		n += len(errs)
	}
	for _, errs := range s.exits {
		n += len(errs)
	}
	return n
}
