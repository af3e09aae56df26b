package testnets

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"text/template"

	"github.com/netsplit/netsplit/testnets/chainspec"
)

//go:embed starter/chain.yaml.tmpl
var starterText string

// Starter says what a new chain file begins with.
type Starter struct {
	Name   string              // of the chain, see Chain.Name
	Family string              // chainspec.FamilyPoW, chainspec.FamilyBFT or chainspec.FamilyPoA
	RPC    string              // chainspec.HTTPGet, chainspec.JSONRPC1 or chainspec.JSONRPC2
	Image  chainspec.ImageSpec // exactly one of its sources
}

// StarterFamilies and StarterRPCs are what a Starter can have.
var (
	StarterFamilies = []string{chainspec.FamilyBFT, chainspec.FamilyPoA, chainspec.FamilyPoW}
	StarterRPCs     = []string{chainspec.HTTPGet, chainspec.JSONRPC1, chainspec.JSONRPC2}
)

// starterFacts are the facts of the families.
var starterFacts = map[string]string{
	chainspec.FamilyBFT: "facts: {family: bft, quorum: 2/3, fork_depth: 0}",
	chainspec.FamilyPoA: "facts: {family: poa, quorum: 1/2, fork_depth: 4}",
	chainspec.FamilyPoW: "facts: {family: pow, quorum: 0, fork_depth: 6}",
}

// starterData is a Starter as its template sees it.
type starterData struct {
	Starter
	Source, SourceValue string // of the image
	Key, Signer         string // name of the key that makes blocks, and its entry in keys
	Facts               string
}

// Signs is true where makers of blocks have keys.
func (d starterData) Signs() bool { return d.Family != chainspec.FamilyPoW }

// Commanded is true where blocks are made on command.
func (d starterData) Commanded() bool { return d.Family == chainspec.FamilyPoW }

// Instant is true where blocks are final at once.
func (d starterData) Instant() bool { return d.Family == chainspec.FamilyBFT }

// Get is true where requests are paths.
func (d starterData) Get() bool { return d.RPC == chainspec.HTTPGet }

// StarterChain writes a commented chain file to begin with. It decodes, which it does not return without: errors about a
// name or an image that no chain file can have are *strictyaml.Error.
func StarterChain(s Starter) ([]byte, error) {
	d := starterData{Starter: s, Key: "validator", Signer: "validator: ed25519", Facts: starterFacts[s.Family]}
	if s.Family == chainspec.FamilyPoA {
		d.Key, d.Signer = "account", "account: secp256k1"
	}
	for _, x := range [][2]string{{"go", s.Image.Go}, {"binary", s.Image.Binary}, {"ref", s.Image.Ref}, {"dockerfile", s.Image.Dockerfile}} {
		if x[1] != "" {
			d.Source, d.SourceValue = x[0], x[1]
		}
	}
	quote := func(s string) (string, error) { // a JSON text is a YAML text
		b, err := json.Marshal(s)
		return string(b), err
	}
	tmpl, err := template.New("chain").Delims("<%", "%>").Funcs(template.FuncMap{"quote": quote}).Parse(starterText)
	if err != nil {
		return nil, fmt.Errorf("the starter of chain files: %w", err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, d); err != nil {
		return nil, fmt.Errorf("the starter of chain files: %w", err)
	}
	if _, err := chainspec.Parse(s.Name+".yaml", out.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
