package faults

import (
	"slices"
	"time"
)

// NodeID is the name of a node in a testnet, for example "miner-3".
type NodeID string

// Link is one direction between two nodes.
type Link struct {
	From NodeID `json:"from"`
	To   NodeID `json:"to"`
}

// Shape is what a link does to packets that it lets through. The zero Shape changes nothing. Names are tc-netem's.
type Shape struct {
	// Delay is added to every packet, one way.
	Delay time.Duration `json:"delay,omitempty"`
	// Jitter varies the delay uniformly within Delay ± Jitter. Order on a link is kept.
	Jitter time.Duration `json:"jitter,omitempty"`
}

// Rule applies to every link from a node of From to a different node of To. A partition of ten thousand nodes in halves is
// two rules.
type Rule struct {
	From  []NodeID `json:"from"`
	To    []NodeID `json:"to"`
	Cut   bool     `json:"cut,omitempty"`
	Shape Shape    `json:"shape,omitzero"`
}

// Links is the complete desired state of every directed link: links that no rule names are unaffected. Overlapping rules
// compose by definition: cuts union, delays and jitters add.
type Links struct {
	Rules []Rule `json:"rules,omitempty"`
}

// LinkState is the desired state of one link.
type LinkState struct {
	Cut   bool
	Shape Shape
}

// On returns the desired state of one link. A node's link to itself is never affected. It reads every rule; use Compile
// to look up many links.
func (l Links) On(k Link) LinkState {
	var s LinkState
	if k.From == k.To {
		return s
	}
	for i := range l.Rules {
		r := &l.Rules[i]
		if slices.Contains(r.From, k.From) && slices.Contains(r.To, k.To) {
			s.Add(r)
		}
	}
	return s
}

// Add composes one more rule into the state.
func (s *LinkState) Add(r *Rule) {
	s.Cut = s.Cut || r.Cut
	s.Shape.Delay += r.Shape.Delay
	s.Shape.Jitter += r.Shape.Jitter
}

// Layer is one active fault as an applier sees it: a named part of the desired state. Appliers take all layers at once.
type Layer struct {
	ID    string    `json:"id"`   // "partition-1"
	Kind  string    `json:"kind"` // "partition"
	Text  string    `json:"text"` // the fault for people
	Since time.Time `json:"since"`
	// Until is when the applier heals the layer by itself; zero: only when a later state leaves it out.
	Until time.Time `json:"until,omitzero"`
	Links Links     `json:"links"`
}

// Compose returns the desired state of all layers together. Their rules on one link add up (see Links), so their order
// does not matter, and cutting a link twice is cutting it once.
func Compose(layers []Layer) Links {
	n := 0
	for i := range layers {
		n += len(layers[i].Links.Rules)
	}
	if n == 0 {
		return Links{}
	}
	rules := make([]Rule, 0, n)
	for i := range layers {
		rules = append(rules, layers[i].Links.Rules...)
	}
	return Links{Rules: rules}
}

// Applied is what an applier reports once the complete desired state is true.
type Applied struct {
	// Took is the time from the call to the last rule being active.
	Took time.Duration `json:"took"`
	// Engine is the mechanism, for example "nft", "nft+nfqueue", "sim".
	Engine string `json:"engine"`
}

// Traffic counts packets of the testnet's own traffic, probes left out, that faults affected since the testnet started.
// -1: not known.
type Traffic struct {
	Dropped int64 `json:"dropped"`
	Delayed int64 `json:"delayed"`
	// Lost counts packets that the engine itself lost (queue overflow); anything but zero is an infrastructure error.
	Lost int64 `json:"lost"`
	// Flushed counts delayed packets that the kernel dropped because another testnet on the host ended. Senders
	// retransmit them.
	Flushed int64 `json:"flushed"`
}

// ProbePlan says how to measure links.
type ProbePlan struct {
	// Count is the number of packets per link.
	Count int `json:"count"`
	// Interval is the time between two packets on one link.
	Interval time.Duration `json:"interval"`
	// Wait is how long to wait for the last packet.
	Wait time.Duration `json:"wait"`
}

// Measurement is the result of probing one directed link. Delays are one-way, of the packets that arrived; zero when none
// did.
type Measurement struct {
	Link     Link          `json:"link"`
	Sent     int           `json:"sent"`
	Received int           `json:"received"`
	Min      time.Duration `json:"min"`
	Median   time.Duration `json:"median"`
	Max      time.Duration `json:"max"`
	// Delays are those of all packets that arrived, in no particular order.
	Delays []time.Duration `json:"delays,omitempty"`
	// Overdue is by how much each of Delays is longer than it should be because the engine that delays packets was late, which it
	// says of each; in the order of Delays. Nil where no engine held all the packets, and in a simulation.
	Overdue []time.Duration `json:"overdue,omitempty"`
	// Late is the most by which the prober sent a packet later than its timetable says: what a busy machine costs.
	Late time.Duration `json:"late,omitempty"`
	// Waited is how long the measurement went on after the last packet on any link was sent: what becomes of a link then does not
	// matter to packets that are on their way, unless it is cut. Zero: not known.
	Waited time.Duration `json:"waited,omitempty"`
}
