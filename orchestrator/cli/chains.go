package cli

import (
	"context"
	"errors"
	"net/http"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/driver/netsplit"
)

// sortChains finds out which nodes follow one chain: a node is on the chain of another whose chain contains its head. A
// node that is a block behind is so not mistaken for a fork.
func (a *attached) sortChains(ctx context.Context, s *testnetStatus) error {
	var tips []int // a node each, whose head stands for a chain
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Error != "" {
			continue
		}
		for k, t := range tips {
			low, high := n, &s.Nodes[t]
			if low.Height > high.Height {
				low, high = high, low
			}
			same, err := a.onChain(ctx, faults.NodeID(high.Node), low)
			if err != nil {
				return err
			}
			if same {
				n.Chain = s.Nodes[t].Chain
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
	s.Chains = len(tips)
	return nil
}

// onChain reports whether holder's best chain contains n's head.
func (a *attached) onChain(ctx context.Context, holder faults.NodeID, n *nodeStatus) (bool, error) {
	client, ok := a.Client(holder).(*netsplit.Client)
	if !ok {
		return false, errors.New("the node's driver cannot look up blocks by height")
	}
	hash, err := client.HashAt(ctx, n.Height)
	var refused *netsplit.Refused
	if errors.As(err, &refused) && refused.Code == http.StatusNotFound {
		return false, nil // it reorganised to a shorter chain meanwhile
	}
	return hash == n.Head, err
}

// letter names chains A, B ... Z, then Z for all others.
func letter(i int) string { return string(rune('A' + min(i, 25))) }
