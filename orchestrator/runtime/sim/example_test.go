package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node/daemon/api"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/runtimetest"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// Three nodes run for two minutes of virtual time. After the first minute n2 is cut off.
func Example() {
	ctx := context.Background()
	r := sim.New(sim.Options{Seed: 1})
	defer r.Close(ctx)
	hosts, err := r.Create(ctx, runtime.Plan{ID: "example", Nodes: []runtime.PlanNode{{ID: "n0"}, {ID: "n1"}, {ID: "n2"}}})
	if err != nil {
		log.Fatal(err)
	}
	network := runtimetest.Network{ID: "example", Hosts: hosts, Start: r.Clock().Epoch(), Interval: 5 * time.Second, Miners: 1}
	if err := r.Launch(ctx, network.Launches(), nil); err != nil {
		log.Fatal(err)
	}

	client := &http.Client{Transport: r.Transport()}
	report := func(until time.Duration) {
		if err := r.Clock().Sleep(ctx, until); err != nil {
			log.Fatal(err)
		}
		fmt.Println("after", r.Clock().Now())
		for _, h := range hosts {
			resp, err := client.Get(fmt.Sprintf("http://%s:%d/v1/status", h.Addr, runtime.APIPort))
			if err != nil {
				log.Fatal(err)
			}
			var s api.Status
			if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
				log.Fatal(err)
			}
			resp.Body.Close()
			fmt.Println(s.Name, "height", s.Height, "peers", s.Peers)
		}
	}
	report(time.Minute)
	others := []faults.NodeID{"n0", "n1"}
	cut := faults.Layer{ID: "cut", Links: faults.Links{Rules: []faults.Rule{
		{From: others, To: []faults.NodeID{"n2"}, Cut: true},
		{From: []faults.NodeID{"n2"}, To: others, Cut: true},
	}}}
	if _, err := r.Shape(ctx, []faults.Layer{cut}); err != nil {
		log.Fatal(err)
	}
	report(2 * time.Minute)
	// Output:
	// after 1m0s
	// n0 height 12 peers 2
	// n1 height 12 peers 2
	// n2 height 12 peers 2
	// after 2m0s
	// n0 height 20 peers 1
	// n1 height 20 peers 1
	// n2 height 12 peers 0
}
