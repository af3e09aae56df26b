package testnets

import (
	"bytes"
	_ "embed"
)

//go:embed chains/schema.json
var chainSchema []byte

// ChainSchema returns the JSON Schema (draft 2020-12) of chain files, for editors. It knows the keys and the shapes;
// what ParseChain refuses beyond these it cannot say.
func ChainSchema() []byte { return bytes.Clone(chainSchema) }
