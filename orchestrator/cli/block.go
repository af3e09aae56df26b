package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func blockCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:  "block",
		Usage: "make blocks on a chain that makes them on command (regtest)",
		Subcommands: []*ucli.Command{{
			Name:  "make",
			Usage: "have a node make blocks",
			Description: "NODE makes them on its head; default: the first node that mines. Most chains make blocks by themselves " +
				"and do not need it.\nFor example: netsplit block make miner-1 --count 3",
			ArgsUsage: "[NODE]",
			Flags: []ucli.Flag{testnetFlag(), jsonFlag(),
				&ucli.IntFlag{Name: "count", Value: 1, Usage: "make `N` blocks"}},
			Action: func(c *ucli.Context) error { return makeBlocks(c, e.output(c), open) },
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

func makeBlocks(c *ucli.Context, out output, open opener) error {
	count := c.Int("count")
	if count < 1 {
		return usagef("", "--count must be at least 1")
	}
	t, err := open(c.Context, c.String(flagTestnet))
	if err != nil {
		return err
	}
	defer t.close()
	makeBlock := t.Chain.Capabilities().MakeBlock
	if makeBlock == nil {
		return usagef("`netsplit status` shows their heights", "the nodes of testnet %s make blocks by themselves", t.ID)
	}
	node := firstMiner(t.Testnet)
	if c.Args().Present() {
		if node, err = t.node(c.Args().First()); err != nil {
			return err
		}
	}
	made := madeBlocks{Node: string(node)}
	for ; made.Made < count; made.Made++ {
		if err := makeBlock(c.Context, node); err != nil {
			return infrastructure(fmt.Errorf("after %d of %d blocks: %w", made.Made, count, err), "")
		}
	}
	s, err := t.Client(node).Status(c.Context)
	if err != nil {
		return infrastructure(err, "")
	}
	made.Height, made.Head = s.Height, s.Head
	return out.table(made, []string{"node", "made", "height", "head"},
		[][]string{{made.Node, fmt.Sprint(made.Made), fmt.Sprint(made.Height), report.ShortHash(made.Head)}})
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
