package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

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
			if err := e.table(c, nil, statusHeader, s.table()); err != nil {
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
}

// nodeStatus is one node's own word.
type nodeStatus struct {
	Node    string     `json:"node"`
	Height  uint64     `json:"height"`
	Head    trace.Hash `json:"head"`
	Peers   int        `json:"peers"`
	Mempool int        `json:"mempool"`
	Chain   string     `json:"chain"` // A, B ...: nodes with one letter are on one chain
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
			return s, infrastructure(err, "")
		}
	}
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
	var rows [][]string
	for _, n := range s.Nodes {
		if n.Error != "" {
			rows = append(rows, []string{n.Node, "-", "no answer", "-", "-", "-"})
			continue
		}
		rows = append(rows, []string{
			n.Node, fmt.Sprint(n.Height), report.ShortHash(n.Head), n.Chain, fmt.Sprint(n.Peers), fmt.Sprint(n.Mempool),
		})
	}
	return rows
}

func (s *testnetStatus) summary() string {
	chains := "one chain"
	if s.Chains != 1 {
		chains = fmt.Sprintf("%d chains", s.Chains)
	}
	text := fmt.Sprintf("%s: %d nodes, %s", s.Testnet, len(s.Nodes), chains)
	switch {
	case s.FaultsError != "":
		text += ", faults not known: " + s.FaultsError
	case s.Faults > 0:
		text += fmt.Sprintf(", faults on links: %d (netsplit fault ls)", s.Faults)
	}
	return text
}
