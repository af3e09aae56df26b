package chainspec

import (
	"maps"
	"slices"
	"strings"
)

// shape is what is known of a value that templates can name.
type shape struct {
	kind shapeKind
	// fields are the parts of an object; what names it in messages.
	fields map[string]*shape
	what   string
	// elsewhere are names that are no parts of the object, each with a hint where they are.
	elsewhere map[string]string
	elem      *shape // of a list
}

type shapeKind int

const (
	anything shapeKind = iota // of which nothing is known
	opaque                    // which cannot be walked, and of whose parts nothing is known
	scalar                    // which has no parts and cannot be walked
	object
	list
)

var (
	unknownShape = &shape{kind: anything}
	opaqueShape  = &shape{kind: opaque}
	scalarShape  = &shape{kind: scalar}
)

// names lists the parts of an object in ascending order.
func (s *shape) names() []string { return slices.Sorted(maps.Keys(s.fields)) }

// objectOf is an object all of whose parts have the same shape.
func objectOf(what string, part *shape, names []string) *shape {
	s := &shape{kind: object, what: what, fields: make(map[string]*shape, len(names))}
	for _, name := range names {
		s.fields[name] = part
	}
	return s
}

// keyParts are the parts of a key.
var keyParts = []string{
	"Private", "Public", "Address", "PrivateHex", "PublicHex", "AddressHex", "PrivateBase64", "PublicBase64",
	"P2PKH", "WIF",
}

// roots builds what templates can name at the top, after the first steps captured what they capture.
func (c *Chain) roots(steps int) map[string]*shape {
	once := &shape{kind: object, what: ".captured", fields: map[string]*shape{}, elsewhere: map[string]string{}}
	each := &shape{kind: object, what: ".Node.captured", fields: map[string]*shape{}, elsewhere: map[string]string{}}
	for i, step := range c.Prepare {
		for _, capture := range step.Capture {
			name := capture.Name
			switch {
			case i >= steps:
				once.elsewhere[name] = "it is captured by this step or a later one"
				each.elsewhere[name] = once.elsewhere[name]
			case step.EachNode:
				each.fields[name] = scalarShape
				once.elsewhere[name] = "it is captured for each node: .Node.captured." + name
			default:
				once.fields[name] = scalarShape
				each.elsewhere[name] = "it is captured once: .captured." + name
			}
		}
	}
	node := &shape{kind: object, what: "a node", fields: map[string]*shape{
		"Name": scalarShape, "Index": scalarShape, "Addr": opaqueShape, "Role": scalarShape, "Mine": scalarShape,
		"Produces": scalarShape, "captured": each,
		"Keys": objectOf("Keys", objectOf("a key", scalarShape, keyParts), c.KeyNames),
	}}
	nodes := &shape{kind: list, elem: node}
	node.fields["Peers"] = nodes
	return map[string]*shape{
		"Network": scalarShape, "Seed": scalarShape, "Start": opaqueShape, "BlockInterval": opaqueShape,
		"Nodes": nodes, "Producers": nodes, "captured": once,
		"Ports": objectOf(".Ports", scalarShape, slices.Sorted(maps.Keys(c.Ports))),
		"Node":  node, "Peer": node,
		"Height": scalarShape, "Hash": scalarShape, "Last": unknownShape,
		"Nonce": scalarShape, "From": node, "To": node, "Amount": scalarShape, "Tx": scalarShape,
	}
}

// The top-level names that templates have, by where they stand.
var (
	namesOnce   = []string{"Network", "Seed", "Start", "BlockInterval", "Nodes", "Producers", "Ports", "captured"}
	namesNode   = append(slices.Clone(namesOnce), "Node")
	namesPeer   = append(slices.Clone(namesNode), "Peer")
	namesBlock  = append(slices.Clone(namesNode), "Height", "Hash")
	namesTx     = append(slices.Clone(namesNode), "Nonce", "From", "To", "Amount")
	namesSubmit = append(slices.Clone(namesTx), "Tx")
	namesCall   = append(slices.Clone(namesSubmit), "Peer", "Height", "Hash", "Last")
)

// only is the top of a template that has some of the names.
func only(roots map[string]*shape, names []string) *shape {
	s := &shape{kind: object, what: "this text", fields: make(map[string]*shape, len(names)), elsewhere: map[string]string{}}
	for name := range roots {
		s.elsewhere[name] = "known here: ." + strings.Join(names, ", .")
	}
	for _, name := range names {
		s.fields[name] = roots[name]
		delete(s.elsewhere, name)
	}
	return s
}
