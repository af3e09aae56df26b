// Package testnets holds the ready scenarios (catalog/) and chain files (chains/), opens either by its name or its path,
// and writes chain files to begin with. A new scenario or chain is a YAML file in its directory and nothing else.
//
//	catalog.go  Open, OpenChain, Catalog, Chains
//	starter.go  StarterChain, from starter/chain.yaml.tmpl
//	scenario    what a scenario file can say
//	chainspec   what a chain file can say
//	strictyaml  how both are decoded, and their errors
package testnets
