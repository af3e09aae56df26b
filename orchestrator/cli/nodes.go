package cli

import (
	"fmt"
	"slices"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/run"
)

// nodeRow is what `up` prints of a node. The credentials and keys are those of this testnet alone.
type nodeRow struct {
	Node  string  `json:"node"`
	Role  string  `json:"role"`
	Addr  string  `json:"address"` // on the testnet's network
	RPC   string  `json:"rpc"`     // URL on this host
	Mines float64 `json:"mines"`
	Peers int     `json:"peers"`

	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`

	ChainID    string `json:"chain_id,omitempty"`
	Account    string `json:"account,omitempty"`
	PrivateKey string `json:"private_key,omitempty"`
	Funds      string `json:"funds,omitempty"`

	Example string `json:"example,omitempty"` // a command that asks the node something
}

// nodeRows are the rows of a testnet's nodes; access is parallel to them, or empty.
func nodeRows(t *run.Testnet, access []chain.Access) []nodeRow {
	var rows []nodeRow
	for i, n := range t.Network.Nodes {
		r := nodeRow{Node: string(n.ID), Role: n.Role, Addr: n.Addr.String(), Mines: n.Mine, Peers: len(n.Peers)}
		if len(access) > 0 {
			a := access[i]
			r.RPC, r.User, r.Password, r.Token = a.URL.String(), a.User, a.Password, a.Token
			r.ChainID, r.Account, r.PrivateKey, r.Funds = a.ChainID, a.Account, a.PrivateKey, a.Funds
			r.Example = a.Example(a.URL.Host)
		}
		rows = append(rows, r)
	}
	return rows
}

// showNodes prints how nodes are reached, which accounts they have, and a command to begin with. What no node has is left
// out.
func (e *env) showNodes(c *ucli.Context, t *run.Testnet) error {
	access, err := t.Access(c.Context)
	if err != nil {
		return infrastructure(fmt.Errorf("lead to the nodes: %w", err), "")
	}
	nodes := nodeRows(t, access)
	if c.Bool(flagJSON) {
		return writeJSON(e.out, nodes)
	}
	header, rows := nodeTable(nodes)
	if err := e.table(c, nil, header, rows); err != nil {
		return err
	}
	if header, rows := accountTable(nodes); len(header) > 1 {
		fmt.Fprintln(e.out)
		if err := e.table(c, nil, header, rows); err != nil {
			return err
		}
	}
	if example := nodes[0].Example; example != "" {
		fmt.Fprintf(e.out, "\n  try: %s\n", example)
	}
	return nil
}

// nodeTable is how nodes are reached.
func nodeTable(nodes []nodeRow) (header []string, rows [][]string) {
	for _, n := range nodes {
		mines := ""
		if n.Mines > 0 {
			mines = fmt.Sprintf("%g/s", n.Mines)
		}
		rows = append(rows, []string{
			n.Node, n.Role, n.Addr, mines, fmt.Sprint(n.Peers), n.RPC, n.User, n.Password, n.Token, n.ChainID,
		})
	}
	return filled([]string{"node", "role", "address", "mines", "peers", "RPC", "user", "password", "token", "chain id"}, rows)
}

// accountTable is which accounts nodes have.
func accountTable(nodes []nodeRow) (header []string, rows [][]string) {
	for _, n := range nodes {
		rows = append(rows, []string{n.Node, n.Account, n.PrivateKey, n.Funds})
	}
	return filled([]string{"node", "account", "private key", "funds"}, rows)
}

// filled leaves the columns of a table out that are empty in every row.
func filled(header []string, rows [][]string) ([]string, [][]string) {
	keep := func(column int) bool {
		return slices.ContainsFunc(rows, func(row []string) bool { return row[column] != "" })
	}
	var heads []string
	out := make([][]string, len(rows))
	for i, head := range header {
		if !keep(i) {
			continue
		}
		heads = append(heads, head)
		for k, row := range rows {
			out[k] = append(out[k], row[i])
		}
	}
	return heads, out
}
