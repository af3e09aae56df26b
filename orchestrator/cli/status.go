package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// statusTimeout bounds the wait for one node's answer.
	statusTimeout = 2 * time.Second
	// statusParallel is how many nodes are polled at a time.
	statusParallel = 16
	// statusTries is how often nodes are polled when some of them change chains meanwhile.
	statusTries = 3
)

func statusCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:      "status",
		Usage:     "show the head of each node, and the number of chains",
		ArgsUsage: "[TESTNET]",
		Flags:     []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			t, err := open(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			defer t.close()
			s, err := t.status(c.Context)
			if err != nil {
				return err
			}
			out := e.output(c)
			header, rows := filled(statusHeader, s.table())
			if err := out.table(s, header, rows); err != nil || out.json {
				return err
			}
			out.printf("%s\n", s.summary())
			return nil
		},
	}
}

// testnetStatus is what status prints.
type testnetStatus struct {
	Testnet string       `json:"testnet"`
	Nodes   []nodeStatus `json:"nodes"`
	// Chains is the number of different chains that nodes follow: heads that lie on one chain count once.
	Chains int `json:"chains"`
	Faults int `json:"faults"` // on links
	// FaultsError says why it is not known which faults hold.
	FaultsError string `json:"faults_error,omitempty"`
	// Leader makes the next block, by the highest node's view; LeaderError says why it is not known on a chain that has one.
	Leader      string `json:"leader,omitempty"`
	LeaderError string `json:"leader_error,omitempty"`
}

// nodeStatus is what one node says of itself.
type nodeStatus struct {
	Node    string     `json:"node"`
	Height  uint64     `json:"height"`
	Head    trace.Hash `json:"head"`
	Peers   int        `json:"peers"`   // -1: the chain does not say
	Mempool int        `json:"mempool"` // -1: the chain does not say
	Chain   string     `json:"chain"`   // A, B ...: nodes with one letter are on one chain
	Error   string     `json:"error,omitempty"`
}

var statusHeader = []string{"node", "height", "head", "chain", "peers", "mempool"}

// status polls every node. When a node changes to another chain meanwhile, all are polled again, up to statusTries times.
func (t *testnet) status(ctx context.Context) (*testnetStatus, error) {
	s := &testnetStatus{Testnet: t.ID}
	layers, _, err := t.control.Layers(ctx)
	if err != nil {
		s.FaultsError = err.Error()
	}
	s.Faults = len(layers)
	for attempt := 1; ; attempt++ {
		if s.Nodes, err = t.poll(ctx); err != nil {
			return nil, err
		}
		s.Chains, err = sortChains(s.Nodes, func(high, low *nodeStatus) (bool, error) {
			same, err := t.onChain(ctx, high, low)
			if errors.Is(err, errMoved) && attempt == statusTries {
				return false, nil
			}
			return same, err
		})
		if !errors.Is(err, errMoved) {
			t.leader(ctx, s)
			return s, infrastructure(err, "")
		}
	}
}

// leader queries the highest node for the leader, on a chain that has one.
func (t *testnet) leader(ctx context.Context, s *testnetStatus) {
	leaderOf := t.Chain.Capabilities().Leader
	if leaderOf == nil {
		return
	}
	var highest *nodeStatus
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Error == "" && (highest == nil || n.Height > highest.Height) {
			highest = n
		}
	}
	if highest == nil {
		return // no node answers, as the table shows
	}
	query, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	leader, err := leaderOf(query, faults.NodeID(highest.Node))
	if err != nil {
		s.LeaderError = err.Error()
	}
	s.Leader = string(leader)
}

// poll queries every node for its head, a few at a time.
func (t *testnet) poll(ctx context.Context) ([]nodeStatus, error) {
	nodes := make([]nodeStatus, len(t.Nodes()))
	g, polling := errgroup.WithContext(ctx)
	g.SetLimit(statusParallel)
	for i, n := range t.Nodes() {
		g.Go(func() error {
			query, cancel := context.WithTimeout(polling, statusTimeout)
			defer cancel()
			nodes[i] = nodeStatus{Node: string(n)}
			answer, err := t.Client(n).Status(query)
			if err != nil {
				nodes[i].Error = err.Error()
				return ctx.Err()
			}
			nodes[i].Height, nodes[i].Head = answer.Height, answer.Head
			nodes[i].Peers, nodes[i].Mempool = answer.Peers, answer.Mempool
			return nil
		})
	}
	return nodes, g.Wait()
}

func (s *testnetStatus) table() [][]string {
	mempool := "" // of nodes that do not answer: empty where no node says
	for _, n := range s.Nodes {
		if n.Error == "" && n.Mempool >= 0 {
			mempool = "-"
		}
	}
	var rows [][]string
	for _, n := range s.Nodes {
		if n.Error != "" {
			rows = append(rows, []string{n.Node, "-", "no answer", "-", "-", mempool})
			continue
		}
		rows = append(rows, []string{
			n.Node, fmt.Sprint(n.Height), report.ShortHash(n.Head), n.Chain, known(n.Peers), known(n.Mempool),
		})
	}
	return rows
}

// answering counts the nodes that answer.
func answering(nodes []nodeStatus) int {
	count := 0
	for _, n := range nodes {
		if n.Error == "" {
			count++
		}
	}
	return count
}

// known is a number in a table; -1 is empty: the chain does not say.
func known(n int) string {
	if n < 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func (s *testnetStatus) summary() string {
	answer := answering(s.Nodes)
	text := s.Testnet + ": " + invariant.Count(len(s.Nodes), "node")
	if answer < len(s.Nodes) {
		text = fmt.Sprintf("%s: %d of %d nodes answer", s.Testnet, answer, len(s.Nodes))
	}
	switch {
	case s.Chains == 1:
		text += ", one chain"
	case s.Chains > 1:
		text += fmt.Sprintf(", %d chains", s.Chains)
	}
	switch {
	case s.Leader != "":
		text += ", " + s.Leader + " is the leader"
	case s.LeaderError != "":
		text += ", leader not known: " + s.LeaderError
	}
	switch {
	case s.FaultsError != "":
		text += ", faults not known: " + s.FaultsError
	case s.Faults > 0:
		text += fmt.Sprintf(", faults on links: %d (netsplit fault ls)", s.Faults)
	}
	return text
}

// sortChains finds out which nodes follow the same chain, gives each chain a letter and returns how many there are. Two
// nodes follow the same chain when that of the higher one contains the head of the lower one: a node that is a block
// behind is no fork. onChain reports whether high's chain contains the head of low, which is not higher. Nodes with an error follow
// none.
func sortChains(nodes []nodeStatus, onChain func(high, low *nodeStatus) (bool, error)) (int, error) {
	var tips []int // a node each, whose head stands for a chain
	for i := range nodes {
		n := &nodes[i]
		if n.Error != "" {
			continue
		}
		for k, t := range tips {
			low, high := n, &nodes[t]
			if low.Height > high.Height {
				low, high = high, low
			}
			same := low.Head == high.Head
			if !same {
				var err error
				if same, err = onChain(high, low); err != nil {
					return 0, err
				}
			}
			if same {
				n.Chain = nodes[t].Chain
				if high == n {
					tips[k] = i
				}
				break
			}
		}
		if n.Chain == "" {
			n.Chain = letter(len(tips))
			tips = append(tips, i)
		}
	}
	return len(tips), nil
}

// errMoved says that a node has left the chain on which it was when it was polled.
var errMoved = errors.New("the node changed to another chain meanwhile")

// onChain queries high whether its chain contains low's head. It fails with errMoved when high has left the chain of its
// own head, because then the answer says nothing.
func (t *testnet) onChain(ctx context.Context, high, low *nodeStatus) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	client := t.Client(faults.NodeID(high.Node))
	if has, err := hasBlock(ctx, client, low); has || err != nil {
		return has, err
	}
	still, err := hasBlock(ctx, client, high)
	if err == nil && !still {
		err = errMoved
	}
	return false, err
}

// hasBlock reports whether the head of n is on the best chain of the client's node.
func hasBlock(ctx context.Context, client chain.Client, n *nodeStatus) (bool, error) {
	if n.Height == 0 && n.Head == "" {
		return true, nil // a node that has no block yet contradicts nobody
	}
	hash, err := client.HashAt(ctx, n.Height)
	if errors.Is(err, chain.ErrNoBlock) {
		return false, nil // its chain is shorter now
	}
	return hash == n.Head, err
}

// letter names chains A, B ... Z, then Z for all others.
func letter(i int) string { return string(rune('A' + min(i, 25))) }
