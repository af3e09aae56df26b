package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// errNoContainers is what a chain that must be built or prepared meets on a runtime that cannot.
var errNoContainers = errors.New("this runtime has no containers, which the nodes of a chain file need")

// Prepare implements chain.Chain. Errors name the place in the chain file, the step, the node and the command; they hold
// no secrets. What the file says and what does not work is a *FileError.
func (c *Chain) Prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	out, err := c.prepare(ctx, net)
	return out, c.clean(err)
}

func (c *Chain) prepare(ctx context.Context, net chain.Network) (chain.Prepared, error) {
	out := chain.Prepared{Facts: c.facts(net)}
	if err := c.know(net); err != nil {
		return out, err
	}
	if c.attached {
		if err := c.restore(net.Start); err != nil {
			return out, err
		}
		for _, n := range c.order {
			out.Nodes = append(out.Nodes, chain.PreparedNode{Account: n.account})
		}
		return out, nil
	}
	image, err := c.buildImage(ctx)
	if err != nil {
		return out, err
	}
	for i, s := range c.file.Prepare {
		if err := c.step(ctx, image, i, s); err != nil {
			return out, err
		}
	}
	if err := c.credentials(); err != nil {
		return out, c.mistake(ctx, c.file.RPC.Pos, "", err)
	}
	for _, n := range c.order {
		p, err := c.launch(n)
		if err != nil {
			return out, c.mistake(ctx, c.file.Start.Pos, "", fmt.Errorf("start of node %s: %w", n.node.ID, err))
		}
		p.Image = image
		out.Nodes = append(out.Nodes, p)
	}
	return out, nil
}

// buildImage is Capabilities.BuildImage. That of nodes which run already is not known: it is empty.
func (c *Chain) buildImage(ctx context.Context) (ref string, err error) {
	switch {
	case c.attached || c.image != "":
		return c.image, nil
	case c.containers == nil:
		return "", fmt.Errorf("prepare chain %s: %w", c.file.Name, errNoContainers)
	}
	c.image, err = c.containers.BuildImage(ctx, c.source(), c.progress)
	if err != nil {
		return "", c.mistake(ctx, c.file.Image.Pos, c.imageHint(), fmt.Errorf("make the image of chain %s: %w", c.file.Name, err))
	}
	return c.image, nil
}

// know is the part of the preparation that a chain needs to talk to nodes: keys, accounts, a way to them.
func (c *Chain) know(net chain.Network) error {
	if c.rpc.err != nil {
		return fmt.Errorf("%s: rpc: %w", c.at(c.file.RPC.Pos), c.rpc.err)
	}
	if err := c.join(net); err != nil {
		return err
	}
	for _, n := range c.order {
		c.foresee(c.with(n, nil))
	}
	return nil
}

// source is the image as a runtime must be told of it.
func (c *Chain) source() runtime.ImageSource {
	i := c.file.Image
	return runtime.ImageSource{
		Go: i.Go, LDFlags: i.LDFlags, Ref: i.Ref, Binary: i.Binary, Dockerfile: i.Dockerfile,
	}
}

// interval is the time between blocks: the chain's own where it fixes it, else the scenario's.
func (c *Chain) interval(net chain.Network) time.Duration {
	if own := c.file.Facts.BlockInterval; own > 0 {
		return own
	}
	step := max(c.file.Facts.BlockIntervalStep, 1)
	return (net.BlockInterval + step - 1) / step * step
}

func (c *Chain) facts(net chain.Network) trace.Facts {
	f, file := c.file.Facts, c.file.File
	if strings.HasPrefix(file, testnets.ChainPrefix) {
		file = ""
	}
	return trace.Facts{
		Name: c.file.Name, File: file, Family: f.Family, BlockInterval: c.interval(net), ForkDepth: f.ForkDepth, Quorum: f.Quorum,
		Resolution: c.file.Observe.Every,
	}
}

// launch renders how a node is started. What the node itself says wins over what steps kept for it.
func (c *Chain) launch(n *node) (chain.PreparedNode, error) {
	data := c.with(n, nil)
	out := chain.PreparedNode{Account: n.account, Files: maps.Clone(n.files), Sysctls: maps.Clone(c.file.Start.Sysctls)}
	for _, a := range c.file.Start.Args {
		args, err := c.arg(a, n, data)
		if err != nil {
			return out, err
		}
		out.Args = append(out.Args, args...)
	}
	for _, t := range c.file.Start.Env {
		e, err := t.Render(data)
		if err != nil {
			return out, err
		}
		out.Env = append(out.Env, e)
	}
	return out, render(c.file.Start.Files, data, out.Files)
}

// arg renders an argument, once or for each of the nodes that it is for.
func (c *Chain) arg(a testnets.Arg, n *node, data map[string]any) ([]string, error) {
	var of any
	switch a.For {
	case "":
		s, err := a.Text.Render(data)
		return []string{s}, err
	case testnets.ForPeers:
		of = n.data["Peers"]
	case testnets.ForNodes:
		of = data["Nodes"]
	case testnets.ForProducers:
		of = data["Producers"]
	default:
		return nil, fmt.Errorf("%s: an argument for %q, which is nobody", c.at(a.Pos), a.For)
	}
	var out []string
	for _, peer := range of.([]map[string]any) {
		s, err := a.Text.Render(c.with(n, map[string]any{"Peer": peer}))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// render renders files into a map by path.
func render(files []testnets.File, data map[string]any, into map[string][]byte) error {
	for _, f := range files {
		text, err := f.Text.Render(data)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		into[f.Path] = []byte(text)
	}
	return nil
}
