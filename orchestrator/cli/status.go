package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// statusTimeout bounds the wait for one node's answer.
	statusTimeout = 2 * time.Second
	// statusParallel is how many nodes are asked at a time.
	statusParallel = 16
	// statusTries is how often nodes are asked when some of them change chains meanwhile.
	statusTries = 3
)

func (e *env) statusCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "status",
		Usage:     "show every node's head, and how many heads there are",
		ArgsUsage: "[TESTNET]",
		Flags:     []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			a, err := e.attach(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			defer a.detach()
			s, err := a.status(c.Context)
			if err != nil {
				return err
			}
			if c.Bool(flagJSON) {
				return writeJSON(e.out, s)
			}
			header, rows := filled(statusHeader, s.table())
			if err := e.table(c, nil, header, rows); err != nil {
				return err
			}
			fmt.Fprintln(e.out, s.summary())
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
	// Leader is the node that makes the next block, as the highest node sees it; LeaderError says why that is not known of a
	// chain that can tell.
	Leader      string `json:"leader,omitempty"`
	LeaderError string `json:"leader_error,omitempty"`
}

// nodeStatus is one node's own word.
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

// status asks every node. Nodes go on while they are asked: when one of them changes to another chain in between, all
// are asked again, a few times.
func (a *attached) status(ctx context.Context) (*testnetStatus, error) {
	s := &testnetStatus{Testnet: a.ID}
	layers, _, err := a.runtime.Layers(ctx)
	if err != nil {
		s.FaultsError = err.Error()
	}
	s.Faults = len(layers)
	for try := 1; ; try++ {
		if s.Nodes, err = a.askAll(ctx); err != nil {
			return nil, err
		}
		s.Chains, err = sortChains(s.Nodes, func(high, low *nodeStatus) (bool, error) {
			same, err := a.onChain(ctx, high, low)
			if errors.Is(err, errMoved) && try == statusTries {
				return false, nil
			}
			return same, err
		})
		if !errors.Is(err, errMoved) {
			a.leader(ctx, s)
			return s, infrastructure(err, "")
		}
	}
}

// leader asks the node that is highest who makes the next block, where the chain can tell.
func (a *attached) leader(ctx context.Context, s *testnetStatus) {
	leaderOf := a.Chain.Capabilities().Leader
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
		return // the table says so
	}
	ask, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	leader, err := leaderOf(ask, faults.NodeID(highest.Node))
	if err != nil {
		s.LeaderError = err.Error()
	}
	s.Leader = string(leader)
}

// askAll asks every node for its head, several at a time.
func (a *attached) askAll(ctx context.Context) ([]nodeStatus, error) {
	nodes := make([]nodeStatus, len(a.Nodes()))
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(statusParallel)
	for i, n := range a.Nodes() {
		g.Go(func() error {
			ask, cancel := context.WithTimeout(asking, statusTimeout)
			defer cancel()
			nodes[i] = nodeStatus{Node: string(n)}
			answer, err := a.Client(n).Status(ask)
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
	mempool := "" // of nodes that do not answer: nothing where no node says
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

// known is a number of a table; -1, which nobody knows, is nothing.
func known(n int) string {
	if n < 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func (s *testnetStatus) summary() string {
	chains := "one chain"
	if s.Chains != 1 {
		chains = fmt.Sprintf("%d chains", s.Chains)
	}
	text := fmt.Sprintf("%s: %d nodes, %s", s.Testnet, len(s.Nodes), chains)
	switch {
	case s.Leader != "":
		text += ", " + s.Leader + " leads next"
	case s.LeaderError != "":
		text += ", who leads next is not known: " + s.LeaderError
	}
	switch {
	case s.FaultsError != "":
		text += ", faults not known: " + s.FaultsError
	case s.Faults > 0:
		text += fmt.Sprintf(", faults on links: %d (netsplit fault ls)", s.Faults)
	}
	return text
}
