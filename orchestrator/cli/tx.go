package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/driver/netsplit"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// txPoll is how often `tx send --wait` asks for the transaction.
const txPoll = 200 * time.Millisecond

func (e *env) txCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "tx",
		Usage: "transactions on a running testnet",
		Subcommands: []*ucli.Command{{
			Name:  "send",
			Usage: "sign a transfer and hand it to a node",
			Description: "FROM and TO are nodes of the testnet, whose accounts have funds, wallet files, or (TO) an address.\n" +
				"For example: netsplit tx send --from miner-1 --to full-1 --amount 5 --wait",
			Flags: []ucli.Flag{testnetFlag(), jsonFlag(),
				&ucli.StringFlag{Name: "from", Usage: "node or wallet file `FROM` that pays; required"},
				&ucli.StringFlag{Name: "to", Usage: "node, wallet file or address `TO` that is paid; required"},
				&ucli.Uint64Flag{Name: "amount", Usage: "`AMOUNT`, at least 1", DefaultText: "none; required"},
				&ucli.Uint64Flag{Name: "fee", Value: 1, Usage: "`FEE` for the miner"},
				&ucli.StringFlag{Name: "node", Usage: "`NODE` that the transfer is handed to; default: FROM, else the first"},
				&ucli.BoolFlag{Name: "wait", Usage: "return when it is in a block"},
				&ucli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "wait at most `DURATION`"},
			},
			Before: required("from", "to", "amount"),
			Action: e.sendTx,
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

func (e *env) sendTx(c *ucli.Context) error {
	if c.Uint64("amount") == 0 {
		return usagef("", "--amount must be at least 1")
	}
	a, err := e.attach(c.Context, c.String(flagTestnet))
	if err != nil {
		return err
	}
	defer a.detach()
	key, err := a.payer(c.String("from"))
	if err != nil {
		return err
	}
	to, err := a.payee(c.String("to"))
	if err != nil {
		return err
	}
	client, node, err := a.entrance(c.String("node"), c.String("from"))
	if err != nil {
		return err
	}
	id, err := client.Send(c.Context, key, to, chain.Amount(c.Uint64("amount")), chain.Amount(c.Uint64("fee")))
	if err != nil {
		return infrastructure(err, "")
	}
	sent := sentTx{ID: id, Node: string(node), Status: "pending"}
	if c.Bool("wait") {
		ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
		defer cancel()
		status, err := awaitTx(ctx, client, id)
		if err != nil {
			return infrastructure(fmt.Errorf("wait for transaction %s: %w", id, err), "is the network cut? netsplit fault ls")
		}
		sent.Status, sent.Height = status.Status, status.Height
	}
	return e.table(c, sent, []string{"transaction", "node", "status"}, [][]string{{string(id), sent.Node, sent.text()}})
}

func (s sentTx) text() string {
	if s.Height > 0 {
		return fmt.Sprintf("%s at height %d", s.Status, s.Height)
	}
	return s.Status
}

// awaitTx returns when a transaction is in a block of the node's best chain.
func awaitTx(ctx context.Context, client *netsplit.Client, id trace.Hash) (netsplit.TxStatus, error) {
	tick := time.NewTicker(txPoll)
	defer tick.Stop()
	for {
		s, err := client.Tx(ctx, id)
		if err != nil || s.Status == "included" {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-tick.C:
		}
	}
}

// payer returns the key of a node's account or of a wallet file.
func (a *attached) payer(name string) (chain.Key, error) {
	if key, ok := a.chain.Key(faults.NodeID(name)); ok {
		return key, nil
	}
	if _, err := os.Stat(name); err != nil {
		_, err := a.node(name)
		return chain.Key{}, err
	}
	key, err := loadWallet(name)
	if err != nil {
		return key, usageError(err)
	}
	return key, nil
}

// payee returns the address of a node's account, of a wallet file, or that is written out.
func (a *attached) payee(name string) (chain.Address, error) {
	if address, err := chain.ParseAddress(name); err == nil {
		return address, nil
	}
	key, err := a.payer(name)
	if err != nil {
		return chain.Address{}, err
	}
	return key.Address(), nil
}

// entrance returns the client of the node that a transfer is handed to.
func (a *attached) entrance(names ...string) (*netsplit.Client, faults.NodeID, error) {
	node := a.Nodes()[0]
	for i, name := range names {
		if name == "" {
			continue
		}
		found, err := a.node(name)
		if err == nil {
			node = found
			break
		}
		if i == 0 {
			return nil, "", err // --node names it, so it must be there; FROM may be a wallet
		}
	}
	client, ok := a.Client(node).(*netsplit.Client)
	if !ok {
		return nil, "", fmt.Errorf("node %s does not take transfers", node)
	}
	return client, node, nil
}
