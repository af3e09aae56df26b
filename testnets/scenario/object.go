package scenario

import (
	"github.com/goccy/go-yaml/ast"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// field is a key that a mapping can have.
type field struct {
	key      string
	required bool
	// read decodes the value; at is where the key stands.
	read func(at strictyaml.Pos, value ast.Node)
}

// Object decodes a mapping; see strictyaml.Decoder.Object.
func (d *decoder) Object(n ast.Node, what string, fields []field) bool {
	list := make([]strictyaml.Field, len(fields))
	for i, f := range fields {
		list[i] = strictyaml.Field{Key: f.key, Required: f.required, Read: f.read}
	}
	return d.Decoder.Object(n, what, list)
}
