package testnets

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// defaultEvery is how often nodes are asked where the chain file does not say.
const defaultEvery = 100 * time.Millisecond

// call is the field that names one call or several.
func (d *chainDecoder) call(out *[]CallRef) field {
	return field{"call", true, func(_ Pos, v ast.Node) {
		items := []ast.Node{v}
		if list, ok := v.(*ast.SequenceNode); ok {
			items = list.Values
			if len(items) == 0 {
				d.failf(nodePos(v), "", "call is empty")
			}
		}
		for _, item := range items {
			if name, ok := d.text(item, "call"); ok {
				*out = append(*out, CallRef{Name: name, Pos: nodePos(item)})
			}
		}
	}}
}

// ready decodes when a node is ready.
func (d *chainDecoder) ready(at Pos, n ast.Node) *Ready {
	r := &Ready{Pos: at}
	d.object(n, "ready", []field{
		d.call(&r.Calls),
		{"jq", true, func(_ Pos, v ast.Node) { r.JQ = d.query(v, "jq") }},
	})
	return r
}

// peers decodes how nodes are told of each other: topology, or a call.
func (d *chainDecoder) peers(at Pos, n ast.Node, p *Peers) {
	p.Pos = at
	if s, ok := scalarText(n); ok {
		if s != "topology" {
			d.failf(nodePos(n), "write topology, or {call: NAME}", "peers: unknown value %q", shorten(s))
		}
		return
	}
	d.object(n, "peers", []field{d.call(&p.Calls)})
}

// observe decodes what nodes are asked.
func (d *chainDecoder) observe(at Pos, n ast.Node, o *Observe) {
	o.Pos = at
	optional := func(key string, out **Observation) field {
		return field{key, false, func(at Pos, v ast.Node) {
			*out = &Observation{}
			d.observation(at, v, key, *out)
		}}
	}
	d.object(n, "observe", []field{
		{"height", true, func(at Pos, v ast.Node) { d.observation(at, v, "height", &o.Height) }},
		{"head", true, func(at Pos, v ast.Node) { d.observation(at, v, "head", &o.Head) }},
		{"block", true, func(at Pos, v ast.Node) { d.block(at, v, &o.Block) }},
		optional("finalized", &o.Finalized),
		optional("peers", &o.Peers),
		{"every", false, func(_ Pos, v ast.Node) {
			d.duration(v, "every", bounds{10 * time.Millisecond, time.Minute}, &o.Every)
		}},
	})
}

// observation decodes a call and a query.
func (d *chainDecoder) observation(at Pos, n ast.Node, what string, o *Observation) {
	o.Pos = at
	d.object(n, what, []field{
		d.call(&o.Calls),
		{"jq", true, func(_ Pos, v ast.Node) { o.JQ = d.query(v, "jq") }},
	})
}

// block decodes how to ask for a block.
func (d *chainDecoder) block(at Pos, n ast.Node, b *BlockObservation) {
	b.Pos = at
	d.object(n, "block", []field{
		d.call(&b.Calls),
		{"hash", true, func(_ Pos, v ast.Node) { b.Hash = d.query(v, "hash") }},
		{"parent", true, func(_ Pos, v ast.Node) { b.Parent = d.query(v, "parent") }},
		{"time", true, func(_ Pos, v ast.Node) { b.Time = d.query(v, "time") }},
		d.optionalQuery("proposer", &b.Proposer),
		d.optionalQuery("txs", &b.Txs),
	})
}

// act decodes what nodes can be told.
func (d *chainDecoder) act(at Pos, n ast.Node, a *Act) {
	a.Pos = at
	d.object(n, "act", []field{
		{"submit", false, func(at Pos, v ast.Node) {
			a.Submit = &Action{Pos: at}
			d.object(v, "submit", []field{d.call(&a.Submit.Calls), d.optionalQuery("jq", &a.Submit.JQ)})
		}},
		{"tx", false, func(at Pos, v ast.Node) {
			t := d.template(v, "tx")
			a.Tx = &t
		}},
		{"make_block", false, func(at Pos, v ast.Node) {
			a.MakeBlock = &Action{Pos: at}
			d.object(v, "make_block", []field{d.call(&a.MakeBlock.Calls)})
		}},
	})
	if a.Tx != nil && a.Submit == nil {
		d.failf(a.Tx.Pos, "add submit: {call: NAME}", "act has a tx, but nothing submits it")
	}
}

// families are the families of consensus.
var families = []string{FamilyPoW, FamilyBFT, FamilyPoA}

// maxForkDepth is the deepest reorganisation that a chain can allow.
const maxForkDepth = 1_000_000

// facts decodes what the consensus promises.
func (d *chainDecoder) facts(at Pos, n ast.Node, f *Facts) {
	f.Pos = at
	var quorum Pos
	d.object(n, "facts", []field{
		{"family", true, func(_ Pos, v ast.Node) { d.word(v, "family", families, &f.Family) }},
		{"quorum", true, func(_ Pos, v ast.Node) {
			if d.share(v, "quorum", &f.Quorum) {
				quorum = nodePos(v)
			}
		}},
		{"fork_depth", true, func(_ Pos, v ast.Node) { d.integer(v, "fork_depth", 0, maxForkDepth, &f.ForkDepth) }},
		{"block_interval", false, func(_ Pos, v ast.Node) {
			d.duration(v, "block_interval", bounds{100 * time.Millisecond, time.Hour}, &f.BlockInterval)
		}},
	})
	if f.Family == FamilyBFT && quorum.Line > 0 && f.Quorum < 0.5 {
		d.failf(quorum, "most chains of this family need more than 2/3", "quorum: in a bft chain no two components can both have it, so it is 1/2 or more")
	}
}

// share decodes a number from 0 to less than 1, or such a fraction. It returns false when there is a mistake.
func (d *chainDecoder) share(n ast.Node, key string, out *float64) bool {
	s, ok := d.text(n, key)
	if !ok {
		return false
	}
	v, isNumber := decimal(s)
	if above, below, fraction := strings.Cut(s, "/"); fraction {
		a, errA := strconv.ParseUint(above, 10, 16)
		b, errB := strconv.ParseUint(below, 10, 16)
		v, isNumber = float64(a)/float64(b), errA == nil && errB == nil && b > 0
	}
	switch {
	case !isNumber:
		d.failf(nodePos(n), "write 0, 2/3 or 0.5", "%s: %q is neither a number nor a fraction", key, shorten(s))
	case v >= 1 || math.IsNaN(v):
		d.failf(nodePos(n), "write 0, 2/3 or 0.5", "%s: %s is out of range, 0 or more and less than 1", key, shorten(s))
	default:
		*out = v
		return true
	}
	return false
}
