package trace_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Print the changes of the head in a trace. A run directory has its trace in trace.jsonl.zst.
func ExampleRead() {
	dir, err := os.MkdirTemp("", "trace")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "trace.jsonl.zst")
	w, err := trace.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range []*trace.Event{
		{Kind: trace.KindRun, Run: &trace.Run{Format: trace.Format, Scenario: "example"}},
		{At: 2 * time.Second, Kind: trace.KindHead, Node: "miner-1", Head: &trace.Head{Hash: "aa", Height: 1}},
		{At: 5 * time.Second, Kind: trace.KindHead, Node: "miner-1", Head: &trace.Head{Hash: "bb", Height: 2, Old: "cc", Dropped: 1}},
		{At: 9 * time.Second, Kind: trace.KindEnd, End: &trace.End{}},
	} {
		if err := w.Append(e); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	err = trace.Read(path, func(e *trace.Event) error {
		if e.Kind == trace.KindHead {
			fmt.Println(e.At, e.Node, "height", e.Head.Height, "dropped", e.Head.Dropped)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2s miner-1 height 1 dropped 0
	// 5s miner-1 height 2 dropped 1
}
