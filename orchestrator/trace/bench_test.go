package trace

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func benchEvents(n int) []*Event {
	var events []*Event
	for i := range n / 2 {
		hash := Hash(fmt.Sprintf("%064x", i/100))
		node := NodeID(fmt.Sprintf("node-%d", i%100))
		events = append(events,
			&Event{At: time.Duration(i) * time.Millisecond, Kind: KindSeen, Node: node, Seen: &Seen{Hash: hash, Parent: hash, Height: uint64(i / 100), From: "node-7"}},
			&Event{At: time.Duration(i) * time.Millisecond, Kind: KindHead, Node: node, Head: &Head{Hash: hash, Height: uint64(i / 100), Old: hash}})
	}
	return events
}

func BenchmarkAppend(b *testing.B) {
	events := benchEvents(10_000)
	w, err := NewWriter(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	i := 0
	for b.Loop() {
		if err := w.Append(events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkRead(b *testing.B) {
	data := write(b, benchEvents(200_000)...)
	n := 0
	for b.Loop() {
		if err := read("trace", bytes.NewReader(data), func(*Event) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkReadSorted(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t")
	if err := os.WriteFile(path, write(b, benchEvents(200_000)...), 0o600); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		if err := ReadSorted(path, func(*Event) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
