package testnets

import (
	"fmt"
	"testing"
)

func TestCatalogX(t *testing.T) {
	for _, e := range Catalog() {
		s, err := Open(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.PlanFaults()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(e.Name, len(s.Edges()), s.Topology)
		for _, f := range p {
			fmt.Println("  ", f.ID, f.At, f.End, f.Effect.Text, f.Effect.Links.Rules, f.Effect.Begin)
		}
	}
	_, err := Open("splitbrain")
	fmt.Println(err)
	_, err = Parse("a.yaml", []byte("name: x\nnodse: 3\nnodes:\n  - {name: miner, count: 0, mine: 20}\nfaults:\n  - {at: 2s, kill: mine}\n"))
	fmt.Println(err)
	_, err = Parse("a.yaml", []byte("name: x\nnodes:\n  - {name: miner, count: 3, mine: 20/s}\nfaults:\n  - {at: 2s, kill: mine}\n  - {at: 2s, kill: xxx}\nduration: 5s\n"))
	fmt.Println(err)
}
