package replay

import (
	"slices"
	"time"
)

// Connectivity is three partitions of the nodes. Components are the nodes that can reach each other at this moment. Linked
// nodes do so over planned connections: others of their component need peer exchange to find each other first, which takes
// time after a hub is lost. Reconciled groups are finer still: nodes that were separated, or not linked any more, stay in
// different groups until they share one chain again, since nothing can be expected between them before. A node that is not up
// is alone in all.
//
// It does not know why components change or when nodes reconcile: State and Recoveries call it then.
type Connectivity struct {
	started    bool
	components []int32
	linked     []int32
	starts     []time.Duration // when each period of unchanged components began
	groups     []int32
	versions   [][]int32 // every value of groups so far

	// dirty is true while node states or cuts changed and components are to be computed again; dirtyAt is when, cause what.
	dirty   bool
	dirtyAt time.Duration
	cause   string
}

func newConnectivity(nodes int) *Connectivity {
	alone := make([]int32, nodes)
	for i := range alone {
		alone[i] = int32(i)
	}
	return &Connectivity{components: alone, linked: alone, starts: []time.Duration{0}, groups: alone, versions: [][]int32{alone}}
}

// Started is true from run time zero on, when the nodes are connected and components are followed.
func (c *Connectivity) Started() bool { return c.started }

// Component is the number of a node's component: equal for nodes that can reach each other under the cuts that hold or are
// being made or healed.
func (c *Connectivity) Component(n NodeIndex) int32 { return c.components[n] }

// Linked is the number of a node's linked nodes: equal for nodes of one component that planned connections join.
func (c *Connectivity) Linked(n NodeIndex) int32 { return c.linked[n] }

// Period counts the changes of components and links, PeriodStart is when the period with a number began.
func (c *Connectivity) Period() int { return len(c.starts) - 1 }

// PeriodStart is when the period with a number began, which is at most Period.
func (c *Connectivity) PeriodStart(no int) time.Duration { return c.starts[no] }

// Since is when the components last changed.
func (c *Connectivity) Since() time.Duration { return c.starts[len(c.starts)-1] }

// Group is the number of a node's reconciled group.
func (c *Connectivity) Group(n NodeIndex) int32 { return c.groups[n] }

// Version counts the changes of the reconciled groups.
func (c *Connectivity) Version() int32 { return int32(len(c.versions) - 1) }

// SeparatedIn says whether two nodes were in different reconciled groups in a version. It is false for NoNode.
func (c *Connectivity) SeparatedIn(version int32, a, b NodeIndex) bool {
	if a < 0 || b < 0 {
		return false
	}
	g := c.versions[version]
	return g[a] != g[b]
}

// invalidate marks the components as out of date. The caller says what changed them.
func (c *Connectivity) invalidate(at time.Duration, cause string) {
	c.dirty, c.dirtyAt, c.cause = true, at, cause
}

// has says whether the components and the linked nodes are these.
func (c *Connectivity) has(components, linked []int32) bool {
	return slices.Equal(components, c.components) && slices.Equal(linked, c.linked)
}

// change replaces the components and the linked nodes; nodes that a change separates are no longer reconciled.
func (c *Connectivity) change(components, linked []int32) {
	c.components, c.linked = components, linked
	c.starts = append(c.starts, c.dirtyAt)
	c.setGroups(intersect(intersect(c.groups, components), linked))
}

// reconcile puts the members into one group, named by their component.
func (c *Connectivity) reconcile(members NodeSet, component int32) {
	groups := slices.Clone(c.groups)
	for i := range groups {
		if members.Has(NodeIndex(i)) {
			groups[i] = component
		}
	}
	c.setGroups(groups)
}

func (c *Connectivity) setGroups(groups []int32) {
	if !slices.Equal(groups, c.groups) {
		c.groups = groups
		c.versions = append(c.versions, groups)
	}
}

// intersect is the partition in which two nodes are together when they are together in both.
func intersect(a, b []int32) []int32 {
	out := make([]int32, len(a))
	first := make(map[[2]int32]int32)
	for i := range a {
		k := [2]int32{a[i], b[i]}
		f, ok := first[k]
		if !ok {
			f = int32(i)
			first[k] = f
		}
		out[i] = f
	}
	return out
}
