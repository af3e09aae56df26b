// Package external is the implementation of chain.Chain for every chain that a chain file describes: it prepares keys,
// genesis and each node's files by the file's steps, queries nodes by the file's calls, and turns the replies into the
// events of a trace. It knows no chain by name, and nothing of how nodes are hosted.
//
// Chain (chain.go) puts the parts together; each keeps its own state, and they use each other's methods alone:
//
//   - network (network.go): the prepared network's nodes, the data that templates see, and names for addresses. Keys are
//     in keys.go.
//   - preparer (prepare.go): image, steps, captured values, what nodes are started with. It sees no running node.
//   - rpc (rpc.go) makes one bounded request. caller (call.go) makes the file's named calls with it and applies jq
//     expressions; its errors are in errors.go. reader (observe.go) reads what `observe` names: a new thing to read of a
//     node goes there. values.go reads numbers, times and hashes.
//   - poller (poller.go): a node's chain as far as it was read, and the events that follow; blockStore (blocks.go): the
//     blocks that any node has shown. subscribe.go: notifications of blocks.
//   - connector (connect.go): first_block, peers, warm_up. maker (maker.go): blocks made on command. sender (transfer.go,
//     coins.go): transactions. client.go: chain.Client.
//   - mismatch.go compares how the nodes' chains begin. access.go: what people need to reach a node. export.go: what
//     another process must know.
//   - redactor (redact.go): the credentials that nothing shows.
//   - checker (check.go, check_rows.go): `netsplit chain check`. A new thing to check is a row of the table in check.go.
//
// A new RPC kind is a constant in chainspec/chain.go, its rule in chainspec/validate.go, and its request and reply in
// rpc.go (HTTP only so far).
package external
