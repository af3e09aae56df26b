// Package strictyaml decodes YAML files that people write: every mistake is an Error with file, line, column, the line
// itself with a caret, and a hint such as the nearest valid key. It knows no scenario and no chain.
//
//	parse.go    Parse: text to YAML nodes, with limits; what part of YAML is refused
//	struct.go   Decoder.Decode: nodes to structs by the tags of their fields; a new tag goes here
//	decoder.go  Decoder: mappings and lists by hand, and the collected mistakes
//	scalar.go   numbers, durations, rates, words
//	error.go    Error, Source: excerpts and places
package strictyaml
