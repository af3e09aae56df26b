package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func (e *env) blockCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "block",
		Usage: "blocks on a running testnet whose chain makes them on command",
		Subcommands: []*ucli.Command{{
			Name:  "make",
			Usage: "let a node make blocks",
			Description: "NODE makes them on its head; default: the first node that mines. Chains that make blocks by themselves\n" +
				"have no use for it. For example: netsplit block make miner-1 --count 3",
			ArgsUsage: "[NODE]",
			Flags: []ucli.Flag{testnetFlag(), jsonFlag(),
				&ucli.IntFlag{Name: "count", Value: 1, Usage: "make `N` blocks"}},
			Action: e.makeBlocks,
		}},
	}
}

// madeBlocks is what block make prints.
type madeBlocks struct {
	Node   string     `json:"node"`
	Made   int        `json:"made"`
	Height uint64     `json:"height"` // of the node's head now
	Head   trace.Hash `json:"head"`
}

func (e *env) makeBlocks(c *ucli.Context) error {
	count := c.Int("count")
	if count < 1 {
		return usagef("", "--count must be at least 1")
	}
	a, err := e.attach(c.Context, c.String(flagTestnet))
	if err != nil {
		return err
	}
	defer a.detach()
	makeBlock := a.Chain.Capabilities().MakeBlock
	if makeBlock == nil {
		return usagef("`netsplit status` shows them come", "the nodes of testnet %s make blocks by themselves", a.ID)
	}
	node := firstMiner(a.Testnet)
	if c.Args().Present() {
		if node, err = a.node(c.Args().First()); err != nil {
			return err
		}
	}
	out := madeBlocks{Node: string(node)}
	for ; out.Made < count; out.Made++ {
		if err := makeBlock(c.Context, node); err != nil {
			return infrastructure(fmt.Errorf("after %d of %d blocks: %w", out.Made, count, err), "")
		}
	}
	s, err := a.Client(node).Status(c.Context)
	if err != nil {
		return infrastructure(err, "")
	}
	out.Height, out.Head = s.Height, s.Head
	return e.table(c, out, []string{"node", "made", "height", "head"},
		[][]string{{out.Node, fmt.Sprint(out.Made), fmt.Sprint(out.Height), report.ShortHash(out.Head)}})
}

// firstMiner is the first node that mines, else the first.
func firstMiner(t *run.Testnet) faults.NodeID {
	for _, n := range t.Network.Nodes {
		if n.Mine > 0 {
			return n.ID
		}
	}
	return t.Nodes()[0]
}
