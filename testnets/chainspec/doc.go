// Package chainspec is the chain file: how to build, start and observe one kind of node, and what its consensus promises. It
// decodes the file, renders its templates and runs its jq expressions; it starts nothing and connects to nothing.
//
//	chain.go     the types, whose tags are the grammar: a new key begins here, then go generate
//	decode.go    Parse, and what tags cannot express: values of several forms, rules about more than one key
//	validate.go  rules about more than one part of the file: calls exist, and know the names that they use
//	names.go     which names templates know where, and the check of them
//	template.go  Text and Value: templates and their functions
//	query.go     Query: jq expressions over what nodes reply, with limits
//
// schema.json and the reference table in docs/your-own-node.md are generated from the tags by schema_test.go.
package chainspec
