package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
)

func (e *env) faultCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "fault",
		Usage: "break and heal the network of a running testnet",
		Subcommands: []*ucli.Command{
			e.faultPartitionCommand(), e.faultLatencyCommand(),
			e.faultNodeCommand("kill", "end nodes at once, as a power cut does; `fault heal` starts them again",
				func(s faults.Select) faults.Fault { return faults.KillNodes{Nodes: s} }),
			e.faultNodeCommand("pause", "freeze nodes; `fault heal` lets them go on",
				func(s faults.Select) faults.Fault { return faults.PauseNodes{Nodes: s} }),
			e.faultHealCommand(), e.faultLsCommand(),
		},
	}
}

func (e *env) faultPartitionCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "partition",
		Usage: "cut the network into parts that do not reach each other",
		Description: "One of --halves, --groups, --isolate and --one-way says how; nodes are named by node or by role.\n" +
			"For example: netsplit fault partition --groups miner-1,miner-2:miner-3,full",
		Flags: []ucli.Flag{testnetFlag(), forFlag(), jsonFlag(),
			&ucli.StringFlag{Name: "halves", Usage: "two halves, `random` or ordered"},
			&ucli.StringFlag{Name: "groups", Usage: "groups `A,B:C,D`; every node is in one"},
			&ucli.StringFlag{Name: "isolate", Usage: "cut each of the nodes `A,B` from everybody"},
			&ucli.StringFlag{Name: "one-way", Usage: "drop what nodes `A,B:C,D` left of the colon send to those right of it"},
		},
		Action: func(c *ucli.Context) error {
			f, err := partitionOf(c)
			if err != nil {
				return err
			}
			return e.applyFault(c, f)
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

func (e *env) faultLatencyCommand() *ucli.Command {
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
			return e.applyFault(c, f)
		},
	}
}

func (e *env) faultNodeCommand(name, usage string, make func(faults.Select) faults.Fault) *ucli.Command {
	return &ucli.Command{
		Name: name, Usage: usage, ArgsUsage: "NODE...",
		Flags: []ucli.Flag{testnetFlag(), jsonFlag()},
		Action: func(c *ucli.Context) error {
			return e.applyFault(c, make(faults.Select{Names: c.Args().Slice()}))
		},
	}
}

// applyFault resolves a fault on a running testnet, makes it true and prints what was asked and what was measured.
func (e *env) applyFault(c *ucli.Context, f faults.Fault) error {
	a, err := e.attach(c.Context, c.String(flagTestnet))
	if err != nil {
		return err
	}
	defer a.detach()
	effect, err := f.Resolve(a.Net(), freshRandom())
	if err != nil {
		return usageError(err)
	}
	for _, action := range effect.Begin {
		if err := a.runtime.Do(c.Context, action); err != nil {
			return infrastructure(fmt.Errorf("%s %s: %w", action.Verb, action.Node, err), "")
		}
	}
	if len(effect.Links.Rules) == 0 {
		fmt.Fprintf(e.out, "%s\n", effect.Text)
		return nil
	}
	id, applied, err := a.addLayer(c.Context, f, effect, c.Duration(flagFor))
	if err != nil {
		return infrastructure(err, "")
	}
	fmt.Fprintf(e.err, "%s: %s, applied in %s by %s\n", id, effect.Text, applied.Took.Round(10*time.Microsecond), applied.Engine)
	return e.printMeasured(c, a, effect.Links)
}

// addLayer adds one fault to those that hold.
func (a *attached) addLayer(ctx context.Context, f faults.Fault, effect faults.Effect,
	length time.Duration) (string, faults.Applied, error) {
	layers, version, err := a.runtime.Layers(ctx)
	if err != nil {
		return "", faults.Applied{}, err
	}
	layer := faults.Layer{
		ID: freeID(layers, f.Kind()), Kind: f.Kind(), Text: effect.Text, Since: time.Now(), Links: effect.Links,
	}
	if length > 0 {
		layer.Until = layer.Since.Add(length)
	}
	applied, err := a.runtime.ShapeIf(ctx, version, append(layers, layer))
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
