package chainspec

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var chainSchema []byte

// Schema returns the JSON Schema (draft 2020-12) of chain files, for editors. It knows the keys and the shapes;
// what Parse refuses beyond these it cannot say.
func Schema() []byte { return bytes.Clone(chainSchema) }
