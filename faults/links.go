package faults

import "time"

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

// Rule asks something of every link from a node of From to a different node of To. Rules stay this small however many
// nodes there are: a partition of ten thousand nodes is two rules.
type Rule struct {
	From  []NodeID `json:"from"`
	To    []NodeID `json:"to"`
	Cut   bool     `json:"cut,omitempty"`
	Shape Shape    `json:"shape,omitzero"`
}

// Links is the complete desired state of every directed link: links that no rule names are whole. Overlapping rules
// compose by definition: cuts union, delays and jitters add.
type Links struct {
	Rules []Rule `json:"rules,omitempty"`
}

// LinkState is what Links asks of one link.
type LinkState struct {
	Cut   bool
	Shape Shape
}

// Layer is one active fault as an applier sees it: a named part of the desired state. Appliers take all layers at once.
type Layer struct {
	ID    string    `json:"id"`   // "partition-1"
	Kind  string    `json:"kind"` // "partition"
	Text  string    `json:"text"` // the fault in words
	Since time.Time `json:"since"`
	// Until is when the applier must heal the layer by itself; zero: when it is told to.
	Until time.Time `json:"until,omitzero"`
	Links Links     `json:"links"`
}

// Applied is what an applier reports when the whole desired state is true.
type Applied struct {
	// Took is the time from the call to the last rule being active.
	Took time.Duration `json:"took"`
	// Engine is the mechanism, for example "nft", "nft+nfqueue", "sim".
	Engine string `json:"engine"`
}

// Traffic counts packets of the testnet's own traffic that faults touched since the testnet began. -1: cannot tell.
type Traffic struct {
	Dropped int64 `json:"dropped"`
	Delayed int64 `json:"delayed"`
	// Lost counts packets that the engine itself lost (queue overflow); anything but zero is an infrastructure error.
	Lost int64 `json:"lost"`
	// Flushed counts packets that were held when another testnet on the host ended: the kernel then drops what all queues
	// of the network namespace hold. Senders send them again.
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

// Measurement is what was measured on one directed link. Delays are one way and only of packets that arrived.
type Measurement struct {
	Link     Link          `json:"link"`
	Sent     int           `json:"sent"`
	Received int           `json:"received"`
	Min      time.Duration `json:"min"`
	Median   time.Duration `json:"median"`
	Max      time.Duration `json:"max"`
}
