package chainspec

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// defaultEvery is how often nodes are asked where the chain file does not say.
const defaultEvery = 100 * time.Millisecond

// call is the field that names one call or several.
func (d *chainDecoder) call(out *[]CallRef) field { return d.callNamed("call", out) }

// callNamed is call with another key.
func (d *chainDecoder) callNamed(key string, out *[]CallRef) field {
	return field{key, true, func(_ strictyaml.Pos, v ast.Node) {
		items := []ast.Node{v}
		if list, ok := v.(*ast.SequenceNode); ok {
			items = list.Values
			if len(items) == 0 {
				d.Failf(strictyaml.NodePos(v), "", "%s is empty", key)
			}
		}
		for _, item := range items {
			if name, ok := d.Text(item, key); ok {
				*out = append(*out, CallRef{Name: name, Pos: strictyaml.NodePos(item)})
			}
		}
	}}
}

// ready decodes when a node is ready.
func (d *chainDecoder) ready(at strictyaml.Pos, n ast.Node) *Ready {
	r := &Ready{Pos: at}
	d.Object(n, "ready", []field{
		d.call(&r.Calls),
		{"jq", true, func(_ strictyaml.Pos, v ast.Node) { r.JQ = d.query(v, "jq") }},
	})
	return r
}

// peers decodes how nodes are told of each other: topology, or a call.
func (d *chainDecoder) peers(at strictyaml.Pos, n ast.Node, p *Peers) {
	p.Pos = at
	if s, ok := strictyaml.ScalarText(n); ok {
		if s != "topology" {
			d.Failf(strictyaml.NodePos(n), "write topology, or {call: NAME}", "peers: unknown value %q", strictyaml.Shorten(s))
		}
		return
	}
	d.Object(n, "peers", []field{d.call(&p.Calls)})
}

// firstBlock decodes how nodes get the first block.
func (d *chainDecoder) firstBlock(at strictyaml.Pos, n ast.Node) *FirstBlock {
	f := &FirstBlock{Pos: at}
	d.Object(n, "first_block", []field{d.callNamed("make", &f.Make), d.callNamed("give", &f.Give)})
	return f
}

// maxWarmUp is how often a step of warm_up can be repeated.
const maxWarmUp = 1000

// warmUp decodes what makes the blocks that must be there first.
func (d *chainDecoder) warmUp(n ast.Node) []WarmUp {
	var out []WarmUp
	for _, item := range d.steps(n, "warm_up") {
		w := WarmUp{Times: 1, Pos: strictyaml.NodePos(item)}
		d.Object(item, "a step of warm_up", []field{
			d.call(&w.Calls), d.eachNode(&w.EachNode),
			{"times", false, func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "times", 1, maxWarmUp, &w.Times) }},
		})
		out = append(out, w)
	}
	return out
}

// observe decodes what nodes are asked.
func (d *chainDecoder) observe(at strictyaml.Pos, n ast.Node, o *Observe) {
	o.Pos = at
	optional := func(key string, out **Observation) field {
		return field{key, false, func(at strictyaml.Pos, v ast.Node) {
			*out = &Observation{}
			d.observation(at, v, key, *out)
		}}
	}
	d.Object(n, "observe", []field{
		{"height", true, func(at strictyaml.Pos, v ast.Node) { d.observation(at, v, "height", &o.Height) }},
		{"head", true, func(at strictyaml.Pos, v ast.Node) { d.observation(at, v, "head", &o.Head) }},
		{"block", true, func(at strictyaml.Pos, v ast.Node) { d.block(at, v, &o.Block) }},
		optional("finalized", &o.Finalized),
		optional("peers", &o.Peers),
		optional("genesis", &o.Genesis),
		{"arrival", false, func(at strictyaml.Pos, v ast.Node) { o.Arrival = d.arrival(at, v) }},
		{"every", false, func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "every", strictyaml.Bounds{Min: 10 * time.Millisecond, Max: time.Minute}, &o.Every)
		}},
	})
}

// observation decodes a call and a query.
func (d *chainDecoder) observation(at strictyaml.Pos, n ast.Node, what string, o *Observation) {
	o.Pos = at
	d.Object(n, what, []field{
		d.call(&o.Calls),
		{"jq", true, func(_ strictyaml.Pos, v ast.Node) { o.JQ = d.query(v, "jq") }},
	})
}

// block decodes how to ask for a block.
func (d *chainDecoder) block(at strictyaml.Pos, n ast.Node, b *BlockObservation) {
	b.Pos = at
	d.Object(n, "block", []field{
		d.call(&b.Calls),
		{"hash", true, func(_ strictyaml.Pos, v ast.Node) { b.Hash = d.query(v, "hash") }},
		{"parent", true, func(_ strictyaml.Pos, v ast.Node) { b.Parent = d.query(v, "parent") }},
		{"time", true, func(_ strictyaml.Pos, v ast.Node) { b.Time = d.query(v, "time") }},
		d.optionalQuery("proposer", &b.Proposer),
		d.optionalQuery("txs", &b.Txs),
	})
}

// act decodes what nodes can be told.
func (d *chainDecoder) act(at strictyaml.Pos, n ast.Node, a *Act) {
	a.Pos = at
	d.Object(n, "act", []field{
		{"submit", false, func(at strictyaml.Pos, v ast.Node) {
			a.Submit = &Action{Pos: at}
			d.Object(v, "submit", []field{d.call(&a.Submit.Calls), d.optionalQuery("jq", &a.Submit.JQ)})
		}},
		{"tx", false, func(at strictyaml.Pos, v ast.Node) {
			t := d.template(v, "tx")
			a.Tx = &t
		}},
		{"coins", false, func(at strictyaml.Pos, v ast.Node) { a.Coins = d.coins(at, v) }},
		{"make_block", false, func(at strictyaml.Pos, v ast.Node) {
			a.MakeBlock = &Action{Pos: at}
			d.Object(v, "make_block", []field{d.call(&a.MakeBlock.Calls)})
		}},
		{"leader", false, func(at strictyaml.Pos, v ast.Node) {
			a.Leader = &Observation{}
			d.observation(at, v, "leader", a.Leader)
		}},
	})
	const submits = "add submit: {call: NAME}"
	switch {
	case a.Tx != nil && a.Coins != nil:
		d.Failf(a.Coins.Pos, "remove one of them", "act has both tx and coins, and each makes the transaction")
	case a.Tx != nil && a.Submit == nil:
		d.Failf(a.Tx.Pos, submits, "act has a tx, but nothing submits it")
	case a.Coins != nil && a.Submit == nil:
		d.Failf(a.Coins.Pos, submits, "act has coins, but nothing submits what spends them")
	}
}

// maxFee is the largest fee of a transaction that spends coins.
const maxFee = 1_000_000_000

// coins decodes what nodes can spend.
func (d *chainDecoder) coins(at strictyaml.Pos, n ast.Node) *Coins {
	c := &Coins{Pos: at}
	d.Object(n, "coins", []field{
		{"key", true, func(_ strictyaml.Pos, v ast.Node) { c.Key, _ = d.Text(v, "key") }},
		d.call(&c.Calls),
		{"jq", true, func(_ strictyaml.Pos, v ast.Node) { c.JQ = d.query(v, "jq") }},
		{"fee", false, func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "fee", 0, maxFee, &c.Fee) }},
	})
	return c
}

// families are the families of consensus.
var families = []string{FamilyPoW, FamilyBFT, FamilyPoA}

// votes are the ways in which producers weigh: by what the scenario gives them, or each the same.
var votes = []string{"power", "equal"}

// maxProducers is the largest limit on the number of producers.
const maxProducers = 10_000

// maxForkDepth is the deepest reorganisation that a chain can allow.
const maxForkDepth = 1_000_000

// facts decodes what the consensus promises.
func (d *chainDecoder) facts(at strictyaml.Pos, n ast.Node, f *Facts) {
	f.Pos = at
	var quorum, step strictyaml.Pos
	d.Object(n, "facts", []field{
		{"family", true, func(_ strictyaml.Pos, v ast.Node) { d.Word(v, "family", families, &f.Family) }},
		{"quorum", true, func(_ strictyaml.Pos, v ast.Node) {
			if d.share(v, "quorum", &f.Quorum) {
				quorum = strictyaml.NodePos(v)
			}
		}},
		{"fork_depth", true, func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "fork_depth", 0, maxForkDepth, &f.ForkDepth) }},
		{"block_interval", false, func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "block_interval", strictyaml.Bounds{Min: 100 * time.Millisecond, Max: time.Hour}, &f.BlockInterval)
		}},
		{"block_interval_step", false, func(at strictyaml.Pos, v ast.Node) {
			step = at
			d.Duration(v, "block_interval_step", strictyaml.Bounds{Min: time.Millisecond, Max: time.Hour}, &f.BlockIntervalStep)
		}},
		{"votes", false, func(_ strictyaml.Pos, v ast.Node) {
			var word string
			d.Word(v, "votes", votes, &word)
			f.EqualVotes = word == votes[1]
		}},
		{"max_producers", false, func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "max_producers", 1, maxProducers, &f.MaxProducers) }},
	})
	if f.BlockInterval > 0 && step.Line > 0 {
		d.Failf(step, "remove one of them", "block_interval_step is for chains whose block_interval is the scenario's, and this one has its own")
	}
	if f.Family == FamilyBFT && quorum.Line > 0 && f.Quorum < 0.5 {
		d.Failf(quorum, "most chains of this family need more than 2/3", "quorum: in a bft chain no two components can both have it, so it is 1/2 or more")
	}
}

// share decodes a number from 0 to less than 1, or such a fraction. It returns false when there is a mistake.
func (d *chainDecoder) share(n ast.Node, key string, out *float64) bool {
	s, ok := d.Text(n, key)
	if !ok {
		return false
	}
	v, isNumber := strictyaml.Decimal(s)
	if above, below, fraction := strings.Cut(s, "/"); fraction {
		a, errA := strconv.ParseUint(above, 10, 16)
		b, errB := strconv.ParseUint(below, 10, 16)
		v, isNumber = float64(a)/float64(b), errA == nil && errB == nil && b > 0
	}
	switch {
	case !isNumber:
		d.Failf(strictyaml.NodePos(n), "write 0, 2/3 or 0.5", "%s: %q is neither a number nor a fraction", key, strictyaml.Shorten(s))
	case v >= 1 || math.IsNaN(v):
		d.Failf(strictyaml.NodePos(n), "write 0, 2/3 or 0.5", "%s: %s is out of range, 0 or more and less than 1", key, strictyaml.Shorten(s))
	default:
		*out = v
		return true
	}
	return false
}
