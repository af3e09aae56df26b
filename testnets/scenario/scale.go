package scenario

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Scale changes the numbers of nodes in proportion, so that the testnet has n nodes: every group has at least one, and
// what remains goes to the groups with the largest remainders. Nodes keep their own mining rates; the chain's first
// difficulty follows their sum. The result is checked again: a fault that names a node which is no longer there is an
// *strictyaml.Error. On error the spec is as it was.
func (s *Spec) Scale(n int) error {
	if n < len(s.Nodes) {
		return &strictyaml.Error{File: s.File, Msg: fmt.Sprintf("cannot scale to %d nodes: there are %d groups, each keeps at least 1",
			n, len(s.Nodes))}
	}
	if n > MaxNodes {
		return &strictyaml.Error{File: s.File, Msg: fmt.Sprintf("cannot scale to %d nodes, the most is %d", n, MaxNodes)}
	}
	scaled := *s
	scaled.Nodes = slices.Clone(s.Nodes)
	counts := make([]int, len(s.Nodes))
	for i, g := range s.Nodes {
		counts[i] = g.Count
	}
	for i, c := range apportion(counts, n) {
		scaled.Nodes[i].Count = c
	}
	if err := scaled.validate(); err != nil {
		return err
	}
	*s = scaled
	return nil
}

// apportion divides n among shares in proportion by largest remainders, at least 1 each. n is at least the number of
// shares, and shares are positive. Of equal remainders the first wins.
func apportion(shares []int, n int) []int {
	out := make([]int, len(shares))
	open := make([]int, len(shares)) // the shares that are above the floor of 1
	for i := range open {
		open[i] = i
	}
	for {
		sum := 0
		for _, i := range open {
			sum += shares[i]
		}
		// A share that is due less than one node gets one, and the others divide the rest again.
		small := slices.IndexFunc(open, func(i int) bool { return n*shares[i] < sum })
		if small < 0 {
			divide(shares, open, n, sum, out)
			return out
		}
		out[open[small]] = 1
		n--
		open = slices.Delete(open, small, small+1)
	}
}

// divide shares n among the open shares, whose sum is given.
func divide(shares, open []int, n, sum int, out []int) {
	left := n
	for _, i := range open {
		out[i] = n * shares[i] / sum
		left -= out[i]
	}
	order := slices.Clone(open)
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(n*shares[b]%sum, n*shares[a]%sum) })
	for _, i := range order[:left] {
		out[i]++
	}
}
