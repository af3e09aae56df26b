package scenario

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

func TestPlacePutsAScenarioOnNodesThatAreThere(t *testing.T) {
	s := catalogSpec(t, "split-brain")
	there := []NodeInfo{{ID: "web-a", Role: "web", Mine: 1}, {ID: "b", Role: "db", Mine: 1}, {ID: "web-c", Role: "web", Mine: 1}, {ID: "d", Role: "db", Mine: 1}}
	if err := s.Place(there); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]faults.NodeID{"web-a", "web-c", "b", "d"}, s.Net().Nodes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]faults.NodeID{"b", "d"}, s.Net().Roles["db"]); diff != "" {
		t.Error(diff)
	}
	if len(s.Edges()) != 6 {
		t.Errorf("%d edges among 4 nodes that may all be connected", len(s.Edges()))
	}
	planned, err := s.PlanFaults()
	if err != nil || len(planned) != 1 || len(planned[0].Effect.Links.Rules) == 0 {
		t.Errorf("faults %v, error %v", planned, err)
	}
}

func TestPlaceRefusesFaultsOnNodesThatAreNotThere(t *testing.T) {
	s := catalogSpec(t, "isolated-miner")
	before := s.Net().Nodes
	err := s.Place([]NodeInfo{{ID: "a", Role: "node", Mine: 1}, {ID: "b", Role: "node", Mine: 1}})
	var bad *strictyaml.Error
	if !errors.As(err, &bad) || bad.Pos.Line == 0 {
		t.Errorf("error %v has no place", err)
	}
	if diff := cmp.Diff(before, s.Net().Nodes); diff != "" {
		t.Errorf("the spec was changed: %s", diff)
	}
}

// catalogSpec decodes a scenario of the catalog.
func catalogSpec(t *testing.T, name string) *Spec {
	t.Helper()
	src, err := os.ReadFile("../catalog/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(name+".yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
