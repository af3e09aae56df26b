package cli

import (
	"context"
	"errors"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

// sortChains finds out which nodes follow one chain, gives each chain a letter and returns how many there are. A node is
// on the chain of another whose chain contains its head, so that a node that is a block behind is not mistaken for a
// fork. onChain reports whether high's chain contains the head of low, which is not higher. Nodes with an error follow
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

// errMoved says that a node has left the chain that it was on when it was asked for its head.
var errMoved = errors.New("the node's chain has changed meanwhile")

// onChain asks high whether its chain contains low's head. It fails with errMoved when high is no longer on the chain of
// its own head, because then the answer says nothing.
func (a *attached) onChain(ctx context.Context, high, low *nodeStatus) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	client := a.Client(faults.NodeID(high.Node))
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
