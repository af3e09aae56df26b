package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func txCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:  "tx",
		Usage: "send transactions on a running testnet",
		Subcommands: []*ucli.Command{{
			Name:  "send",
			Usage: "sign a transfer and submit it to a node",
			Description: "FROM and TO are nodes of the testnet, whose accounts have funds, or wallet files; TO can be an address. On " +
				"chains of a chain file both are nodes.\nFor example: netsplit tx send --from miner-1 --to full-1 --amount 5 --wait",
			Flags: []ucli.Flag{testnetFlag(), jsonFlag(),
				&ucli.StringFlag{Name: "from", Required: true, Usage: "node or wallet file `FROM` that pays; required"},
				&ucli.StringFlag{Name: "to", Required: true, Usage: "node, wallet file or address `TO` that is paid; required"},
				&ucli.Uint64Flag{Name: "amount", Required: true, Usage: "`AMOUNT`, at least 1", DefaultText: "none; required"},
				&ucli.Uint64Flag{Name: "fee", Value: 1, Usage: "`FEE` for the miner"},
				&ucli.StringFlag{Name: "node", Usage: "submit to `NODE`; default: FROM, else the first node"},
				&ucli.BoolFlag{Name: "wait", Usage: "return when it is in a block"},
				&ucli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "with --wait, wait at most `DURATION`"},
			},
			Action: func(c *ucli.Context) error { return sendTx(c, e.output(c), open) },
		}},
	}
}

// sentTx is what tx send prints.
type sentTx struct {
	ID     trace.Hash `json:"id"`
	Node   string     `json:"node"`
	Status string     `json:"status"`
	Height uint64     `json:"height,omitempty"`
}

func sendTx(c *ucli.Context, out output, open opener) error {
	if c.Uint64("amount") == 0 {
		return usagef("", "--amount must be at least 1")
	}
	net, err := open(c.Context, c.String(flagTestnet))
	if err != nil {
		return err
	}
	defer net.close()
	t, err := net.transfer(c)
	if err != nil {
		return err
	}
	sent := sentTx{Node: string(t.node), Status: "pending"}
	if !c.Bool("wait") {
		if sent.ID, err = t.send(c.Context); err != nil {
			return refusedTx(err)
		}
	} else if cause := net.Chain.Capabilities().NoFindTx; cause != nil {
		return usagef("send without --wait", "--wait: %w", cause)
	} else if err := t.sendAndWait(c, &sent); err != nil {
		return err
	}
	return out.table(sent, []string{"transaction", "node", "status"}, [][]string{{string(sent.ID), sent.Node, sent.text()}})
}

// sendAndWait sends a transfer and returns when it is in a block.
func (t *transfer) sendAndWait(c *ucli.Context, sent *sentTx) error {
	before, err := t.client.Status(c.Context)
	if err != nil {
		return infrastructure(err, "")
	}
	if sent.ID, err = t.send(c.Context); err != nil {
		return refusedTx(err)
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	if sent.Height, err = t.client.FindTx(ctx, sent.ID, before.Height); err != nil {
		return infrastructure(fmt.Errorf("wait for transaction %s: %w", sent.ID, err), "is the network cut? netsplit fault ls")
	}
	sent.Status = "included"
	return nil
}

// refusedTx is the error of a transfer that was not accepted.
func refusedTx(err error) error {
	if errors.Is(err, external.ErrNoSubmit) {
		return usageError(err)
	}
	return infrastructure(err, "")
}

func (s sentTx) text() string {
	if s.Height > 0 {
		return fmt.Sprintf("%s at height %d", s.Status, s.Height)
	}
	return s.Status
}

// transfer is a transfer that is ready to be sent.
type transfer struct {
	node   faults.NodeID // to which it is submitted
	client chain.Client
	send   func(ctx context.Context) (trace.Hash, error)
}

// keyed is a chain whose accounts are open to whoever has a key, in a wallet file or of a node.
type keyed interface {
	Key(node faults.NodeID) (nodechain.Key, bool)
}

// payable is a client that takes transfers of any account.
type payable interface {
	Send(ctx context.Context, key nodechain.Key, to nodechain.Address, amount, fee nodechain.Amount) (trace.Hash, error)
}

// transfer reads the transfer from the flags.
func (t *testnet) transfer(c *ucli.Context) (*transfer, error) {
	if keys, ok := t.Chain.(keyed); ok {
		return t.walletTransfer(c, keys)
	}
	return t.nodeTransfer(c)
}

// nodeTransfer is a transfer on a chain where only nodes themselves pay, each from its own account, and decide on fees.
func (t *testnet) nodeTransfer(c *ucli.Context) (*transfer, error) {
	if c.IsSet("fee") {
		return nil, usagef("", "--fee: on chain %s the node that pays decides on the fee", t.Facts.Name)
	}
	from, err := t.payingNode(c.String("from"))
	if err != nil {
		return nil, err
	}
	to, err := t.payingNode(c.String("to"))
	if err != nil {
		return nil, err
	}
	if n := c.String("node"); n != "" && n != string(from) {
		return nil, usagef("leave --node away", "--node: on chain %s a transfer is handed to the node that pays, %s", t.Facts.Name, from)
	}
	client := t.Client(from)
	return &transfer{from, client, func(ctx context.Context) (trace.Hash, error) {
		return client.Transfer(ctx, to, c.Uint64("amount"))
	}}, nil
}

// payingNode finds a node that pays or is paid, on a chain that knows no wallet files.
func (t *testnet) payingNode(name string) (faults.NodeID, error) {
	_, missing := os.Stat(name)
	_, other := nodechain.ParseAddress(name)
	node, err := t.node(name)
	if err != nil && (missing == nil || other == nil) {
		return "", usagef("name a node", "wallet files and addresses are not for chain %s: its nodes pay each other", t.Facts.Name)
	}
	return node, err
}

// walletTransfer is a transfer of whoever has a key.
func (t *testnet) walletTransfer(c *ucli.Context, keys keyed) (*transfer, error) {
	key, err := t.payer(keys, c.String("from"))
	if err != nil {
		return nil, err
	}
	to, err := t.payee(keys, c.String("to"))
	if err != nil {
		return nil, err
	}
	node, err := t.entrance(c.String("node"), c.String("from"))
	if err != nil {
		return nil, err
	}
	client, ok := t.Client(node).(payable)
	if !ok {
		return nil, fmt.Errorf("node %s does not take transfers", node)
	}
	return &transfer{node, t.Client(node), func(ctx context.Context) (trace.Hash, error) {
		return client.Send(ctx, key, to, nodechain.Amount(c.Uint64("amount")), nodechain.Amount(c.Uint64("fee")))
	}}, nil
}

// payer returns the key of a node's account or of a wallet file.
func (t *testnet) payer(keys keyed, name string) (nodechain.Key, error) {
	if key, ok := keys.Key(faults.NodeID(name)); ok {
		return key, nil
	}
	if _, err := os.Stat(name); err != nil {
		_, err := t.node(name)
		return nodechain.Key{}, err
	}
	key, err := loadWallet(name)
	if err != nil {
		return key, usageError(err)
	}
	return key, nil
}

// payee returns the address of a node's account, of a wallet file, or that is written out.
func (t *testnet) payee(keys keyed, name string) (nodechain.Address, error) {
	if address, err := nodechain.ParseAddress(name); err == nil {
		return address, nil
	}
	key, err := t.payer(keys, name)
	if err != nil {
		return nodechain.Address{}, err
	}
	return key.Address(), nil
}

// entrance returns the node to which a transfer is submitted.
func (t *testnet) entrance(names ...string) (faults.NodeID, error) {
	for i, name := range names {
		if name == "" {
			continue
		}
		found, err := t.node(name)
		if err == nil {
			return found, nil
		}
		if i == 0 {
			return "", err // --node names it, so it must be there; FROM may be a wallet
		}
	}
	return t.Nodes()[0], nil
}
