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
)

// manualProbes is the most links that `fault` measures after it changed them.
const manualProbes = 2000

// freshRandom returns a source of random choices for faults made by hand.
func freshRandom() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

func (e *env) faultHealCommand() *ucli.Command {
	return &ucli.Command{
		Name:        "heal",
		Usage:       "take faults away",
		Description: "Without FAULT, all of them: links are whole again, paused nodes go on, dead nodes start.",
		ArgsUsage:   "[FAULT...]",
		Flags:       []ucli.Flag{testnetFlag()},
		Action: func(c *ucli.Context) error {
			a, err := e.attach(c.Context, c.String(flagTestnet))
			if err != nil {
				return err
			}
			defer a.detach()
			healed, err := a.healLayers(c.Context, c.Args().Slice())
			if err != nil {
				return err
			}
			if !c.Args().Present() {
				nodes, err := a.healNodes(c.Context)
				if err != nil {
					return infrastructure(err, "")
				}
				healed = append(healed, nodes...)
			}
			if len(healed) == 0 {
				fmt.Fprintln(e.out, "nothing to heal")
			}
			for _, h := range healed {
				fmt.Fprintf(e.out, "healed %s\n", h)
			}
			return nil
		},
	}
}

// healLayers takes the named faults away, all of them when none is named, and returns what went.
func (a *attached) healLayers(ctx context.Context, ids []string) ([]string, error) {
	layers, version, err := a.runtime.Layers(ctx)
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
	_, err = a.runtime.ShapeIf(ctx, version, keep)
	return gone, infrastructure(err, "")
}

// healNodes resumes paused nodes and starts dead ones, and returns what it did.
func (a *attached) healNodes(ctx context.Context) ([]string, error) {
	states, err := a.runtime.States(ctx)
	if err != nil {
		return nil, err
	}
	var done []string
	for _, n := range a.Nodes() {
		verb := faults.Verb("")
		switch states[n] {
		case docker.NodePaused:
			verb = faults.Resume
		case docker.NodeExited:
			verb = faults.Start
		default:
			continue
		}
		if err := a.runtime.Do(ctx, faults.Action{Verb: verb, Node: n}); err != nil {
			return done, fmt.Errorf("%s %s: %w", verb, n, err)
		}
		if verb == faults.Start {
			if err := a.ReconnectPeers(ctx, n); err != nil {
				return done, fmt.Errorf("tell %s of its peers: %w", n, err)
			}
		}
		done = append(done, fmt.Sprintf("%s: %s", n, verb))
	}
	return done, nil
}

func (e *env) faultLsCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "ls",
		Usage: "list the faults that hold",
		Flags: []ucli.Flag{testnetFlag(), jsonFlag()},
		Action: func(c *ucli.Context) error {
			a, err := e.attach(c.Context, c.String(flagTestnet))
			if err != nil {
				return err
			}
			defer a.detach()
			layers, err := a.allFaults(c.Context)
			if err != nil {
				return infrastructure(err, "")
			}
			if len(layers) == 0 && !c.Bool(flagJSON) {
				fmt.Fprintln(e.out, "no fault is active")
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
			return e.table(c, layers, []string{"fault", "what", "since", "heals"}, rows)
		},
	}
}

// allFaults lists the faults of links, and nodes that are down or paused as faults of their own.
func (a *attached) allFaults(ctx context.Context) ([]faults.Layer, error) {
	layers, _, err := a.runtime.Layers(ctx)
	if err != nil {
		return nil, err
	}
	states, err := a.runtime.States(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range a.Nodes() {
		switch states[n] {
		case docker.NodePaused:
			layers = append(layers, faults.Layer{ID: string(n), Kind: "pause", Text: "paused"})
		case docker.NodeExited:
			layers = append(layers, faults.Layer{ID: string(n), Kind: "kill", Text: "down"})
		}
	}
	return layers, nil
}

// printMeasured probes the links that a fault changes and prints what was measured beside what was asked.
func (e *env) printMeasured(c *ucli.Context, a *attached, changed faults.Links) error {
	links, total := changed.Affected(a.Nodes(), manualProbes, freshRandom())
	layers, _, err := a.runtime.Layers(c.Context)
	if err != nil {
		return infrastructure(err, "")
	}
	plan := faults.ProbePlan{Count: 5, Interval: 20 * time.Millisecond, Wait: time.Second}
	measured, err := a.runtime.Probe(c.Context, links, plan)
	if err != nil {
		return infrastructure(fmt.Errorf("measure the links: %w", err), "")
	}
	s := summarise(faults.Compose(layers), measured)
	s.Links = total
	rows := [][]string{{fmt.Sprint(s.Links), fmt.Sprint(s.Measured), s.Asked, s.Got}}
	if err := e.table(c, s, []string{"links", "measured", "asked", "got"}, rows); err != nil {
		return err
	}
	if s.Wrong > 0 {
		return infrastructure(fmt.Errorf("the fault did not bite on %d of %d links", s.Wrong, s.Measured), "")
	}
	return nil
}
