package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func faultCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:  "fault",
		Usage: "break and heal the network of a running testnet",
		Subcommands: []*ucli.Command{
			faultPartitionCommand(e, open), faultLatencyCommand(e, open),
			faultNodeCommand(e, open, faults.Kill, "kill nodes, as a power cut does; `fault heal` starts them again"),
			faultNodeCommand(e, open, faults.Pause, "freeze nodes; `fault heal` resumes them"),
			faultHealCommand(e, open), faultLsCommand(e, open),
		},
	}
}

func faultPartitionCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:  "partition",
		Usage: "cut the network into parts that cannot reach each other",
		Description: "One of --halves, --groups, --isolate and --one-way says how. Nodes are given by name or by role.\n" +
			"For example: netsplit fault partition --groups miner-1,miner-2:miner-3,full",
		Flags: []ucli.Flag{testnetFlag(), forFlag(), jsonFlag(),
			&ucli.StringFlag{Name: "halves", Usage: "two halves, `random` or ordered"},
			&ucli.StringFlag{Name: "groups", Usage: "groups `A,B:C,D`; every node is in one of them"},
			&ucli.StringFlag{Name: "isolate", Usage: "cut each of the nodes `A,B` from all others"},
			&ucli.StringFlag{Name: "one-way", Usage: "drop what the nodes left of the colon in `A,B:C,D` send to those right of it"},
		},
		Action: func(c *ucli.Context) error {
			f, err := partitionOf(c)
			if err != nil {
				return err
			}
			return applyFault(c, e, open, f)
		},
	}
}

// partitionOf reads the fault that the flags of `fault partition` describe; without any, random halves.
func partitionOf(c *ucli.Context) (faults.Fault, error) {
	var set []string
	for _, name := range []string{"halves", "groups", "isolate", "one-way"} {
		if c.IsSet(name) {
			set = append(set, "--"+name)
		}
	}
	if len(set) > 1 {
		return nil, usagef("give one of them", "%s contradict each other", strings.Join(set, " and "))
	}
	switch {
	case c.IsSet("groups"):
		var p faults.PartitionGroups
		for _, g := range strings.Split(c.String("groups"), ":") {
			p.Groups = append(p.Groups, selectOf(g))
		}
		return p, nil
	case c.IsSet("isolate"):
		return faults.PartitionIsolate{Nodes: selectOf(c.String("isolate"))}, nil
	case c.IsSet("one-way"):
		from, to, ok := strings.Cut(c.String("one-way"), ":")
		if !ok {
			return nil, usagef("for example: --one-way miner-1:full", "--one-way needs two sides")
		}
		return faults.PartitionOneWay{From: selectOf(from), To: selectOf(to)}, nil
	}
	switch c.String("halves") {
	case "", "random":
		return faults.PartitionHalves{}, nil
	case "ordered":
		return faults.PartitionHalves{Ordered: true}, nil
	}
	return nil, usagef("random or ordered", "--halves %s is unknown", c.String("halves"))
}

// selectOf reads a comma-separated list of nodes and roles.
func selectOf(list string) faults.Select {
	var s faults.Select
	for _, name := range strings.Split(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.Names = append(s.Names, name)
		}
	}
	return s
}

func faultLatencyCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:        "latency",
		Usage:       "delay every packet on links",
		Description: "For example: netsplit fault latency --delay 100ms --jitter 20ms --between miner:full",
		Flags: []ucli.Flag{testnetFlag(), forFlag(), jsonFlag(),
			&ucli.DurationFlag{Name: "delay", Required: true, Usage: "one-way delay, `DURATION`", DefaultText: "none; required"},
			&ucli.DurationFlag{Name: "jitter", Usage: "vary the delay by up to `DURATION` either way", DefaultText: "none"},
			&ucli.StringFlag{Name: "between", Usage: "only between nodes `A,B:C,D`, both ways; default: every link"},
		},
		Action: func(c *ucli.Context) error {
			f := faults.Latency{Delay: c.Duration("delay"), Jitter: c.Duration("jitter"), BothWays: true}
			if c.IsSet("between") {
				from, to, ok := strings.Cut(c.String("between"), ":")
				if !ok {
					return usagef("for example: --between miner:full", "--between needs two sides")
				}
				f.From, f.To = selectOf(from), selectOf(to)
			}
			return applyFault(c, e, open, f)
		},
	}
}

func faultNodeCommand(e *env, open opener, verb faults.Verb, usage string) *ucli.Command {
	return &ucli.Command{
		Name: string(verb), Usage: usage, ArgsUsage: "NODE...",
		Flags: []ucli.Flag{testnetFlag(), jsonFlag()},
		Action: func(c *ucli.Context) error {
			return applyFault(c, e, open, faults.NodeFault{Verb: verb, Nodes: faults.Select{Names: c.Args().Slice()}})
		},
	}
}

// applyFault applies a fault to a running testnet and prints what was planned and what was measured.
func applyFault(c *ucli.Context, e *env, open opener, f faults.Fault) error {
	t, err := open(c.Context, c.String(flagTestnet))
	if err != nil {
		return err
	}
	defer t.close()
	effect, err := f.Resolve(t.Net(), freshRandom())
	if err != nil {
		return usageError(err)
	}
	for _, action := range effect.Begin {
		if err := t.control.Do(c.Context, action); err != nil {
			return infrastructure(fmt.Errorf("%s %s: %w", action.Verb, action.Node, err), "")
		}
	}
	if len(effect.Links.Rules) == 0 {
		fmt.Fprintln(e.stdout, effect.Text)
		return nil
	}
	id, applied, err := t.addLayer(c.Context, f, effect, c.Duration(flagFor))
	if err != nil {
		return infrastructure(err, "")
	}
	fmt.Fprintf(e.stderr, "%s: %s, applied in %s by %s\n", id, effect.Text, trace.Round(applied.Took), applied.Engine)
	return printMeasured(c.Context, e.output(c), t, effect.Links)
}

// addLayer adds one fault to those that hold.
func (t *testnet) addLayer(ctx context.Context, f faults.Fault, effect faults.Effect,
	length time.Duration) (string, faults.Applied, error) {
	layers, version, err := t.control.Layers(ctx)
	if err != nil {
		return "", faults.Applied{}, err
	}
	layer := faults.Layer{
		ID: freeID(layers, f.Kind()), Kind: f.Kind(), Text: effect.Text, Since: time.Now(), Links: effect.Links,
	}
	if length > 0 {
		layer.Until = layer.Since.Add(length)
	}
	applied, err := t.control.ShapeIf(ctx, version, append(layers, layer))
	return layer.ID, applied, err
}

// freeID returns the first of kind-1, kind-2 ... that no layer has.
func freeID(layers []faults.Layer, kind string) string {
	for i := 1; ; i++ {
		id := fmt.Sprintf("%s-%d", kind, i)
		if !slices.ContainsFunc(layers, func(l faults.Layer) bool { return l.ID == id }) {
			return id
		}
	}
}

// manualProbes is the most links that `fault` measures after it changed them.
const manualProbes = 2000

// freshRandom returns a source of random choices for faults that have no seed.
func freshRandom() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

func faultHealCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:        "heal",
		Usage:       "heal faults",
		Description: "Without FAULT, all faults: links are restored, paused nodes resume, killed nodes start.",
		ArgsUsage:   "[FAULT...]",
		Flags:       []ucli.Flag{testnetFlag()},
		Action: func(c *ucli.Context) error {
			t, err := open(c.Context, c.String(flagTestnet))
			if err != nil {
				return err
			}
			defer t.close()
			healed, err := t.healLayers(c.Context, c.Args().Slice())
			if err != nil {
				return err
			}
			if !c.Args().Present() {
				nodes, err := t.healNodes(c.Context)
				if err != nil {
					return infrastructure(err, "")
				}
				healed = append(healed, nodes...)
			}
			if len(healed) == 0 {
				fmt.Fprintln(e.stdout, "nothing to heal")
			}
			for _, h := range healed {
				fmt.Fprintf(e.stdout, "healed %s\n", h)
			}
			return nil
		},
	}
}

// healLayers heals the named faults of links, all of them when none is named, and returns which.
func (t *testnet) healLayers(ctx context.Context, ids []string) ([]string, error) {
	layers, version, err := t.control.Layers(ctx)
	if err != nil {
		return nil, infrastructure(err, "")
	}
	var active, gone []string
	var keep []faults.Layer
	for _, l := range layers {
		active = append(active, l.ID)
		if len(ids) == 0 || slices.Contains(ids, l.ID) {
			gone = append(gone, l.ID+": "+l.Text)
		} else {
			keep = append(keep, l)
		}
	}
	for _, id := range ids {
		if !slices.Contains(active, id) {
			return nil, usagef("active: "+strings.Join(active, ", "), "no fault %q is active", id)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	_, err = t.control.ShapeIf(ctx, version, keep)
	return gone, infrastructure(err, "")
}

// healNodes resumes paused nodes and starts exited ones, and returns what it did.
func (t *testnet) healNodes(ctx context.Context) ([]string, error) {
	states, err := t.control.States(ctx)
	if err != nil {
		return nil, err
	}
	var done []string
	for _, n := range t.Nodes() {
		verb := faults.Verb("")
		switch states[n] {
		case docker.NodePaused:
			verb = faults.Resume
		case docker.NodeExited:
			verb = faults.Start
		default:
			continue
		}
		if err := t.control.Do(ctx, faults.Action{Verb: verb, Node: n}); err != nil {
			return done, fmt.Errorf("%s %s: %w", verb, n, err)
		}
		if verb == faults.Start {
			if err := t.ReconnectPeers(ctx, n); err != nil {
				return done, fmt.Errorf("reconnect peers of %s: %w", n, err)
			}
		}
		done = append(done, fmt.Sprintf("%s: %s", n, verb))
	}
	return done, nil
}

func faultLsCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:  "ls",
		Usage: "list the active faults",
		Flags: []ucli.Flag{testnetFlag(), jsonFlag()},
		Action: func(c *ucli.Context) error {
			t, err := open(c.Context, c.String(flagTestnet))
			if err != nil {
				return err
			}
			defer t.close()
			layers, err := t.allFaults(c.Context)
			if err != nil {
				return infrastructure(err, "")
			}
			out := e.output(c)
			if len(layers) == 0 && !out.json {
				out.printf("no fault is active\n")
				return nil
			}
			var rows [][]string
			for _, l := range layers {
				since, until := "-", "until healed"
				if !l.Since.IsZero() {
					since = time.Since(l.Since).Round(time.Second).String()
				}
				if !l.Until.IsZero() {
					until = "in " + time.Until(l.Until).Round(time.Second).String()
				}
				rows = append(rows, []string{l.ID, l.Text, since, until})
			}
			return out.table(layers, []string{"fault", "what", "since", "heals"}, rows)
		},
	}
}

// allFaults lists the faults of links, and as faults of their own the nodes that are down or paused.
func (t *testnet) allFaults(ctx context.Context) ([]faults.Layer, error) {
	layers, _, err := t.control.Layers(ctx)
	if err != nil {
		return nil, err
	}
	states, err := t.control.States(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range t.Nodes() {
		switch states[n] {
		case docker.NodePaused:
			layers = append(layers, faults.Layer{ID: string(n), Kind: "pause", Text: "paused"})
		case docker.NodeExited:
			layers = append(layers, faults.Layer{ID: string(n), Kind: "kill", Text: "down"})
		}
	}
	return layers, nil
}

// printMeasured probes the links that a fault changes and prints what was planned beside what was measured.
func printMeasured(ctx context.Context, out output, t *testnet, changed faults.Links) error {
	links, total := changed.Affected(t.Nodes(), manualProbes, freshRandom())
	layers, _, err := t.control.Layers(ctx)
	if err != nil {
		return infrastructure(err, "")
	}
	plan := faults.ProbePlan{Count: 5, Interval: 20 * time.Millisecond, Wait: time.Second}
	measured, err := t.control.Probe(ctx, links, plan)
	if err != nil {
		return infrastructure(fmt.Errorf("measure the links: %w", err), "")
	}
	s := summarise(faults.Compose(layers), measured)
	s.Links = total
	rows := [][]string{{fmt.Sprint(s.Links), fmt.Sprint(s.Probed), s.Planned, s.Measured}}
	if err := out.table(s, []string{"links", "probed", "planned", "measured"}, rows); err != nil {
		return err
	}
	if s.Wrong > 0 {
		return infrastructure(fmt.Errorf("the fault had no effect on %d of %d links", s.Wrong, s.Probed), "")
	}
	return nil
}

// delayTolerance is how far the median delay of a link may be from the planned one, beside the jitter.
const delayTolerance = 10 * time.Millisecond

// measuredSummary sums up what a probe found on the links that a fault changes.
type measuredSummary struct {
	Links    int    `json:"links"`  // that the fault changes
	Probed   int    `json:"probed"` // of these
	Planned  string `json:"planned"`
	Measured string `json:"measured"`
	Wrong    int    `json:"wrong"` // links on which something else was measured than planned
}

// summarise compares measurements with the desired state.
func summarise(planned faults.Links, measured []faults.Measurement) measuredSummary {
	s := measuredSummary{Probed: len(measured)}
	var cut, unreachable int
	var medians []time.Duration
	var delay time.Duration
	for _, m := range measured {
		state := planned.On(m.Link)
		if m.Received == 0 {
			unreachable++
		} else {
			medians = append(medians, m.Median)
		}
		switch {
		case state.Cut:
			cut++
			if m.Received > 0 {
				s.Wrong++
			}
		case m.Received == 0, (m.Median - state.Shape.Delay).Abs() > state.Shape.Jitter+delayTolerance:
			s.Wrong++
		}
		if !state.Cut {
			delay = max(delay, state.Shape.Delay)
		}
	}
	s.Planned = fmt.Sprintf("%d cut", cut)
	s.Measured = fmt.Sprintf("%d unreachable", unreachable)
	if len(medians) > 0 && delay > 0 {
		slices.Sort(medians)
		s.Planned += fmt.Sprintf(", delay %s", delay)
		s.Measured += fmt.Sprintf(", median delay %s", trace.Round(medians[len(medians)/2]))
	}
	return s
}
