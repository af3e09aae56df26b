package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// maxNames is the most names and ranges of names that a list of nodes shows.
const maxNames = 6

// nodeWords lists nodes in few words: "miner-1..3, full-2". Where even ranges are too many, it counts nodes by the part
// of their name before the number: "300 miner, 200 full".
func nodeWords(ids []trace.NodeID) string {
	families := familiesOf(ids)
	var parts []string
	for _, f := range families {
		parts = append(parts, f.ranges()...)
	}
	if len(parts) > maxNames {
		parts = parts[:0]
		for _, f := range families {
			parts = append(parts, f.count())
		}
	}
	if more := len(parts) - maxNames; more > 0 {
		parts = append(parts[:maxNames], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// family is the nodes whose names differ by a number at the end only.
type family struct {
	name    string // of a node without a number, the whole name
	numbers []int  // empty for such a node
}

// familiesOf sorts nodes into families, in the order in which these first appear.
func familiesOf(ids []trace.NodeID) []*family {
	index := make(map[string]*family)
	var out []*family
	for _, id := range ids {
		name, number, numbered := splitName(string(id))
		f := index[name]
		if f == nil || !numbered {
			f = &family{name: name}
			out = append(out, f)
		}
		if numbered {
			f.numbers = append(f.numbers, number)
			index[name] = f
		}
	}
	for _, f := range out {
		slices.Sort(f.numbers)
	}
	return out
}

// splitName splits "miner-3" into "miner" and 3.
func splitName(id string) (name string, number int, ok bool) {
	at := strings.LastIndexByte(id, '-')
	if at < 1 {
		return id, 0, false
	}
	n, err := strconv.Atoi(id[at+1:])
	if err != nil || n < 0 || strconv.Itoa(n) != id[at+1:] {
		return id, 0, false
	}
	return id[:at], n, true
}

// ranges lists the family's nodes, three and more with consecutive numbers as one range.
func (f *family) ranges() []string {
	if len(f.numbers) == 0 {
		return []string{f.name}
	}
	var out []string
	for i := 0; i < len(f.numbers); {
		end := i + 1
		for end < len(f.numbers) && f.numbers[end] == f.numbers[end-1]+1 {
			end++
		}
		if end-i >= 3 {
			out = append(out, fmt.Sprintf("%s-%d..%d", f.name, f.numbers[i], f.numbers[end-1]))
			i = end
			continue
		}
		for ; i < end; i++ {
			out = append(out, fmt.Sprintf("%s-%d", f.name, f.numbers[i]))
		}
	}
	return out
}

// count says how many nodes the family has.
func (f *family) count() string {
	if len(f.numbers) == 0 {
		return f.name
	}
	return fmt.Sprintf("%d %s", len(f.numbers), f.name)
}
