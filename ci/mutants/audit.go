package main

// audited are the mutants of an audit that did not know those of the table.
var audited = []mutant{
	// Consensus.
	{
		name: "difficulty-one-block-late", area: "difficulty",
		bug: "the difficulty follows the time of the block before the last one", like: "retargeting that reads the window's wrong end",
		edits: []edit{{"consensus/pow/engine.go", "tip := branch.Ancestor(0)\n", "tip := branch.Ancestor(0)\n\tif a := branch.Ancestor(1); a != nil && a.Height > 0 {\n\t\ttip = a\n\t}\n"}},
		by:    []string{"validity"}, in: []string{"quickstart"},
	},
	{
		name: "time-median-of-ten", area: "timestamps",
		bug: "the median is taken of ten headers instead of eleven", like: "windows that are one too short",
		edits: []edit{{"consensus/pow/engine.go", "MedianSpan = 11 ", "MedianSpan = 10 "}},
		by:    []string{"validity", "adversary"}, in: []string{"adversaries"},
	},
	{
		name: "time-may-equal-median", area: "timestamps",
		bug: "a block may have the median time itself", like: "inclusive and exclusive bounds",
		edits: []edit{{"consensus/pow/engine.go", "return times[len(times)/2] + 1", "return times[len(times)/2]"}},
		by:    []string{"validity", "adversary"}, in: []string{"adversaries"},
	},
	{
		name: "time-two-hours-ahead-allowed", area: "timestamps",
		bug: "a block may be two hours ahead of the clock instead of two minutes", like: "Bitcoin's bound on a chain with fast blocks",
		edits: []edit{{"consensus/pow/engine.go", "h.Time-now > MaxAhead", "h.Time-now > 60*MaxAhead"}},
		by:    []string{"validity", "adversary"}, in: []string{"adversaries"},
	},
	{
		name: "version-not-checked", area: "consensus",
		bug: "a block of an unknown version is accepted", like: "soft forks that old nodes do not notice",
		edits: []edit{{"chain/tree.go", "if b.Version != HeaderVersion {", "if b.Version < HeaderVersion {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "height-not-checked", area: "consensus",
		bug: "a block may claim any height", like: "Bitcoin before BIP 34",
		edits: []edit{{"chain/tree.go", "if b.Height != parent.block.Height+1 {", "if b.Height <= parent.block.Height {"}},
		by:    []string{"adversary", "validity", "no_crash"}, in: []string{"adversaries"},
	},
	{
		name: "work-compared-from-the-wrong-end", area: "fork choice",
		bug: "cumulative work is compared from the least significant byte on", like: "mixed byte orders of 256-bit numbers",
		edits: []edit{{"chain/work.go", "func (w Work) Cmp(o Work) int { return bytes.Compare(w[:], o[:]) }", "func (w Work) Cmp(o Work) int {\n\tfor i := 31; i > 0; i-- {\n\t\tif w[i] != o[i] {\n\t\t\treturn bytes.Compare(w[i:i+1], o[i:i+1])\n\t\t}\n\t}\n\treturn bytes.Compare(w[:], o[:])\n}"}},
		by:    []string{"fork_choice"}, in: []string{"quickstart"},
	},
	{
		name: "work-of-the-parent", area: "fork choice",
		bug: "a block counts with the work of its parent's difficulty", like: "total difficulty that is one block behind",
		edits: []edit{{"chain/tree.go", "work: parent.work.Add(WorkOf(b.Bits))", "work: parent.work.Add(WorkOf(parent.block.Bits))"}},
		by:    []string{"fork_choice", "consistency"}, in: []string{"slow-links", "isolated-miner"},
	},
	{
		name: "work-of-one-byte-carry", area: "fork choice",
		bug: "cumulative work is cut to 16 bits", like: "counters that overflow after years",
		edits: []edit{{"chain/work.go", "\tif carry != 0 {\n\t\tfor i := range sum {", "\tclear(sum[:30])\n\tif carry != 0 {\n\t\tfor i := range sum {"}},
		by:    []string{"fork_choice"}, in: []string{"split-brain", "isolated-miner", "quickstart"},
	},

	// Ledger.
	{
		name: "fees-of-the-last-transfer", area: "ledger",
		bug: "a miner gets the fee of the last transfer of its block alone", like: "an assignment in the place of a sum",
		edits: []edit{{"chain/ledger.go", "o.fees += t.Fee", "o.fees = t.Fee"}},
		by:    []string{"validity"}, in: []string{"split-brain"},
	},
	{
		name: "fees-minted", area: "ledger",
		bug: "the fee is paid to the miner and not taken from the sender", like: "inflation bugs: Zcash 2018",
		edits: []edit{{"chain/ledger.go", "from.Balance -= cost", "from.Balance -= t.Amount"}},
		by:    []string{"validity"}, in: []string{"quickstart"},
	},
	{
		name: "miner-balance-of-the-parent", area: "ledger",
		bug: "a miner's transfers in its own block are forgotten when it is paid", like: "journals that read an account past the block's own changes",
		edits: []edit{{"chain/ledger.go", "acct := o.get(miner)", "acct, _ := o.base.Get(miner)"}},
		by:    []string{"validity"}, in: []string{"quickstart", "split-brain", "adversaries"},
	},
	{
		name: "zero-amounts-accepted", area: "ledger",
		bug: "a transfer of nothing is valid", like: "spam of empty transactions: Ethereum 2016",
		edits: []edit{
			{"chain/ledger.go", "if t.Amount == 0 {\n\t\treturn ErrAmount", "if t.Amount+t.Fee == 0 {\n\t\treturn ErrAmount"},
			{"mempool/pool.go", "case tx.Amount == 0:", "case tx.Amount+tx.Fee == 0:"},
		},
		by: []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "receiver-nonce-grows", area: "ledger",
		bug: "receiving uses up a nonce too", like: "account nonces touched on the wrong side",
		edits: []edit{{"chain/ledger.go", "to.Balance += t.Amount", "to.Balance += t.Amount\n\tto.Nonce++"}},
		by:    []string{"validity"}, in: []string{"quickstart"},
	},
	{
		name: "funds-of-the-parent-state", area: "ledger",
		bug: "funds are checked against the balance before the block", like: "Bitcoin CVE-2018-17144: one coin spent twice in a block",
		edits: []edit{{"chain/ledger.go", "if from.Balance < cost {", "if before, _ := o.base.Get(t.From); before.Balance < cost {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "emptied-account-keeps-its-balance", area: "ledger",
		bug: "an account whose balance becomes zero is not written", like: "Parity and Geth 2016: empty accounts deleted differently",
		edits: []edit{{"chain/state.go", "return e.acct == Account{} })", "return e.acct.Balance == 0 })"}},
		by:    []string{"validity", "adversary"}, in: []string{"adversaries"},
	},
	{
		name: "account-replaced-in-trie", area: "ledger",
		bug: "a new account overwrites a neighbour in the state's trie", like: "Parity 2016 and Nethermind: trie nodes dropped on insertion",
		edits: []edit{{"chain/state.go", "\t\tif !found {\n", "\t\tif !found && len(changes) > 1 {\n"}},
		by:    []string{"validity"}, in: []string{"adversaries"},
	},
	{
		name: "failed-transfer-uses-nonce", area: "ledger",
		bug: "a transfer that fails for want of funds uses up its nonce", like: "state changes that are not rolled back: journal bugs",
		edits: []edit{{"chain/ledger.go", "if from.Balance < cost {\n", "if from.Balance < cost {\n\t\tfrom.Nonce++\n\t\to.changed[t.From] = from\n"}},
		by:    []string{"validity", "chain_growth", "consistency", "adversary"}, in: []string{"adversaries"},
	},
	{
		name: "repeated-tail-has-the-same-root", area: "ledger",
		bug: "a block whose last transaction is repeated has the root of the block without it, and is remembered as invalid", like: "Bitcoin CVE-2012-2459",
		edits: []edit{{"chain/block.go", "func TxRoot(txs []Tx) Hash {\n", "func TxRoot(txs []Tx) Hash {\n\tfor len(txs) > 1 && txs[len(txs)-1] == txs[len(txs)-2] {\n\t\ttxs = txs[:len(txs)-1]\n\t}\n"}},
		by:    []string{"adversary", "block_propagation", "convergence", "agreement"}, in: []string{"adversaries"},
	},

	// Mining.
	{
		name: "one-in-three-blocks-lost", area: "mining",
		bug: "every third block that a miner finds is thrown away", like: "pools that reject their own shares",
		edits: []edit{
			{"miner.go", "if m.head == n.tree.Head().Hash() {\n\t\tn.addBlock", "if m.wins++; m.wins%3 != 0 && m.head == n.tree.Head().Hash() {\n\t\tn.addBlock"},
			{"miner.go", "type miner struct {\n", "type miner struct {\n\twins int\n"},
		},
		by: []string{"chain_growth"}, in: []string{"split-brain", "isolated-miner"},
		unseen: "a third less is within what chance allows in the short runs of the catalog, except in some of them",
	},
	{
		name: "four-transactions-a-block", area: "mining",
		bug: "miners put at most four transactions into a block", like: "soft limits of block size that pools forgot",
		edits: []edit{{"miner.go", "pending := n.pool.Ready(chain.MaxBlockTxs,", "pending := n.pool.Ready(4,"}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "adversaries"},
	},
	{
		name: "own-transactions-only", area: "mining",
		bug: "a miner includes the transactions of its own users alone", like: "private order flow",
		edits: []edit{
			{"miner.go", "for i, p := range pending {\n\t\ttxs[i] = p.Tx\n\t}", "txs = txs[:0]\n\tfor _, p := range pending {\n\t\tif id := p.ID(); n.mine[id] {\n\t\t\ttxs = append(txs, p.Tx)\n\t\t}\n\t}"},
			{"txs.go", "\tn.relay(wire.ItemTx, m.ID(), m, nil, nil)\n\treturn n.end(), nil", "\tif n.mine == nil {\n\t\tn.mine = make(map[chain.Hash]bool)\n\t}\n\tn.mine[m.ID()] = true\n\tn.relay(wire.ItemTx, m.ID(), m, nil, nil)\n\treturn n.end(), nil"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tmine map[chain.Hash]bool\n"},
		},
		by: []string{"inclusion"}, in: []string{"quickstart"},
	},
	{
		name: "one-transaction-of-a-sender", area: "mining",
		bug: "a block takes one transaction of each sender", like: "builders that stop at the first nonce",
		edits: []edit{{"mempool/pool.go", "if len(run) > 1 && (nonce == nil || run[1]", "if len(run) > 1 && nonce == nil && (nonce == nil || run[1]"}},
		by:    []string{"inclusion"}, in: []string{"isolated-miner"},
	},
	{
		name: "miner-works-on-in-the-wrong-order", area: "mining",
		bug: "miners take transactions by arrival, the last one first, and leave gaps out", like: "stack in the place of a queue",
		edits: []edit{{"mempool/pool.go", "\treturn a.seq < b.seq\n", "\treturn a.seq > b.seq\n"}},
		by:    []string{"inclusion"}, in: []string{"split-brain"},
		unseen: "blocks have room for all that is pending, whatever its order",
	},

	// Mempool.
	{
		name: "index-not-reverted", area: "mempool",
		bug: "the index of included transactions keeps those of dropped blocks", like: "transaction indices that are not unwound in a reorganisation",
		edits: []edit{{"txs.go", "\tfor _, b := range added.Dropped {\n\t\tn.included.drop(b)\n\t}\n", ""}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "index-short-keys", area: "mempool",
		bug: "the index of included transactions compares 16 bits of their ids", like: "short ids that collide: compact blocks with a fixed key",
		edits: []edit{{"txs.go", "func txKey(id *chain.Hash) uint64 { return binary.BigEndian.Uint64(id[:]) }", "func txKey(id *chain.Hash) uint64 { return uint64(binary.BigEndian.Uint16(id[:])) }"}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "adversaries"},
		unseen: "it takes two transactions whose ids begin alike, which not every run has",
	},
	{
		name: "index-not-rebuilt", area: "mempool",
		bug: "the index of included transactions is empty after a restart", like: "Bitcoin's -txindex that is not rebuilt",
		edits: []edit{{"node.go", "\t\tn.index(added)\n", ""}},
		by:    []string{"consistency"}, in: []string{"crash-restart"},
	},
	{
		name: "update-drops-all-of-a-sender", area: "mempool",
		bug: "when one transaction of a sender is included, its others are dropped too", like: "pools that evict an account as a whole",
		edits: []edit{{"mempool/pool.go", "if check(&list[i].msg.Tx, account) != nil {", "if check(&list[0].msg.Tx, account) != nil {"}},
		by:    []string{"inclusion"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "transactions-expire", area: "mempool",
		bug: "a transaction that is pending for ten seconds is dropped", like: "expiry in seconds in the place of hours",
		edits: []edit{{"peers.go", "\tif len(old) == 0 {\n\t\treturn\n\t}\n", "\tfor _, m := range old {\n\t\tn.pool.Update(m.Tx.From, chain.Account{Nonce: 1 << 62})\n\t}\n\tif len(old) >= 0 {\n\t\treturn\n\t}\n"}},
		by:    []string{"inclusion"}, in: []string{"isolated-miner"},
	},
	{
		name: "bad-signature-sender-not-banned", area: "mempool",
		bug: "who sends transactions without a valid signature is not banned", like: "free relay of invalid transactions",
		edits: []edit{{"mempool/pool.go", "errors.Is(err, chain.ErrOverflow) || errors.Is(err, chain.ErrSignature)", "errors.Is(err, chain.ErrOverflow)"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "reorg-returns-one-block", area: "mempool",
		bug: "the transactions of the last dropped block alone return to the mempool", like: "Geth: reinjection limited to a depth",
		edits: []edit{{"txs.go", "func (n *Node) returnTxs(dropped []*chain.Block) {\n", "func (n *Node) returnTxs(dropped []*chain.Block) {\n\tdropped = dropped[max(0, len(dropped)-1):]\n"}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "returned-transactions-not-relayed", area: "mempool",
		bug: "transactions that return after a reorganisation are not relayed", like: "Geth: reinjected transactions are not announced",
		edits: []edit{
			{"txs.go", "if n.pool.Add(m, n.Account(m.Tx.From)) == nil {\n\t\t\t\tn.relay(wire.ItemTx, id, m, nil, nil)\n\t\t\t}", "_ = n.pool.Add(m, n.Account(m.Tx.From))"},
		},
		by: []string{"inclusion"}, in: []string{"split-brain", "isolated-miner"},
		unseen: "miners of the branch that is given up have the transactions themselves",
	},
	{
		name: "no-rebroadcast", area: "mempool",
		bug: "transactions that stay pending are never sent again", like: "wallets that broadcast once",
		edits: []edit{{"node.go", "\tn.keepPeers()\n\tn.rebroadcast()\n", "\tn.keepPeers()\n"}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "crash-restart"},
		unseen: "new connections get all that is pending, and nothing else loses a transaction in the catalog",
	},
	{
		name: "mempool-no-gaps", area: "mempool",
		bug: "a transaction that arrives before its predecessor is refused", like: "queued transactions switched off",
		edits: []edit{{"mempool/pool.go", "tx.Nonce-next > MaxGap", "tx.Nonce-next > 0"}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "slow-links"},
		unseen: "transactions of one sender seldom overtake each other, and are announced again",
	},

	// Relay.
	{
		name: "relay-to-all-but-one", area: "relay",
		bug: "the peer that connected last is left out of every relay", like: "off by one in a loop over peers",
		edits: []edit{{"relay.go", "\tfor _, p := range n.peers {\n\t\tif p == from", "\tfor _, p := range n.peers[:max(0, len(n.peers)-1)] {\n\t\tif p == from"}},
		by:    []string{"connectivity"}, in: []string{"quickstart"},
	},
	{
		name: "relay-to-outbound-only", area: "relay",
		bug: "blocks and transactions go to peers that the node dialled alone", like: "block-relay-only connections the wrong way round",
		edits: []edit{{"relay.go", "if p == from || !p.live() || skip", "if p == from || !p.live() || !p.outbound || skip"}},
		by:    []string{"connectivity"}, in: []string{"quickstart"},
	},
	{
		name: "announced-before-validation", area: "relay",
		bug: "a block is relayed before it is checked", like: "SPV mining 2015, cut-through relays",
		edits: []edit{{"blocks.go", "\tn.addBlock(m.Block, origin{peer: p, id: p.id, msg: m})\n", "\tn.relay(wire.ItemBlock, h, m, p, nil)\n\tn.addBlock(m.Block, origin{peer: p, id: p.id, msg: m})\n"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
		unseen: "an announcement that nothing can be fetched of is dropped by its peers without a word; with flood they would ban",
	},
	{
		name: "known-key-collides", area: "relay",
		bug: "whether a peer has a block is remembered by the first byte of its hash", like: "filters keyed by the zeros of a proof of work",
		edits: []edit{{"relay/known.go", "return binary.BigEndian.Uint64(h[24:]) | 1", "return binary.BigEndian.Uint64(h[24:])>>60 | 1"}},
		by:    []string{"block_propagation", "connectivity"}, in: []string{"quickstart"},
	},
	{
		name: "known-forgets", area: "relay",
		bug: "a node forgets at once what its peers have, and announces it to them again", like: "inventory filters that are too small",
		edits: []edit{{"relay/known.go", "\tk.set(want)[k.turn%knownWays] = want\n", "\tclear(k.slots)\n\tk.set(want)[k.turn%knownWays] = want\n"}},
		by:    []string{"connectivity"}, in: []string{"split-brain"},
		unseen: "announcements are not counted, and cost 32 bytes each",
	},
	{
		name: "requests-never-expire", area: "relay",
		bug: "an item that was requested in vain is not requested from another peer", like: "Bitcoin: a peer that stalls a block for 20 minutes",
		edits: []edit{{"relay/requests.go", "for r.trim(); len(r.queue) > 0 && r.queue[0].deadline <= now; r.trim() {", "for r.trim(); len(r.queue) > 0 && r.queue[0].deadline <= now-int64(time.Hour); r.trim() {"}},
		by:    []string{"block_propagation", "inclusion", "connectivity"}, in: []string{"crash-restart", "adversaries", "split-brain"},
		unseen: "the next block brings a sync, sooner than the time-out of a request",
	},
	{
		name: "requests-lost-with-their-peer", area: "relay",
		bug: "what was requested from a peer that disconnects is not requested from another one", like: "in-flight tables that are not cleaned",
		edits: []edit{{"relay/requests.go", "\tif r.load[peer] == 0 {\n\t\treturn out\n\t}\n", "\tif r.load[peer] >= 0 {\n\t\treturn out\n\t}\n"}},
		by:    []string{"block_propagation", "inclusion", "connectivity"}, in: []string{"crash-restart", "split-brain"},
		unseen: "the next block brings a sync, sooner than the time-out of a request",
	},
	{
		name: "serves-canonical-blocks-only", area: "relay",
		bug: "a block that was announced and is not on the canonical chain any more is not served", like: "getdata answered from the active chain alone",
		edits: []edit{{"relay.go", "} else if b, ok := n.tree.Get(*h); ok {\n\t\t\tn.markKnown", "} else if b, ok := n.tree.Get(*h); ok && n.tree.IsCanonical(*h) {\n\t\t\tn.markKnown"}},
		by:    []string{"block_propagation", "connectivity"}, in: []string{"slow-links", "split-brain"},
		unseen: "a stale block is missed by few nodes, and not by any that needs it",
	},
	{
		name: "heads-not-announced-again", area: "relay",
		bug: "the head is announced once only", like: "no periodic status messages",
		edits: []edit{{"node.go", "\t\tn.announceHead()\n", ""}},
		by:    []string{"block_propagation", "convergence"}, in: []string{"split-brain", "crash-restart"},
		unseen: "handshakes and the next block say the same, and the catalog loses no packets without a cut",
	},
	{
		name: "blocks-announced-late", area: "relay",
		bug: "blocks of others are announced at the next tick of a timer, half a second later", like: "batched announcements: trickling",
		edits: []edit{
			{"blocks.go", "\t\tn.relay(wire.ItemBlock, h, from.msg, from.peer, nil)\n\t}\n\tif added", "\t\tn.later = append(n.later, func() { n.relay(wire.ItemBlock, h, from.msg, from.peer, nil) })\n\t}\n\tif added"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tlater []func()\n"},
			{"node.go", "func (n *Node) tick() {\n", "func (n *Node) tick() {\n\tfor _, f := range n.later {\n\t\tf()\n\t}\n\tn.later = nil\n"},
		},
		by: []string{"block_propagation"}, in: []string{"quickstart", "split-brain"},
		unseen: "half a second a hop is within the bounds of the catalog, which hold for loaded machines",
	},
	{
		name: "large-announcements-malformed", area: "wire",
		bug: "an announcement of more than 32 hashes counts as malformed", like: "btcd 2022: limits of a decoder below those of the protocol",
		edits: []edit{{"wire/check.go", "return checkCount(t, n, 1, MaxInv)", "return checkCount(t, n, 1, 32)"}},
		by:    []string{"connectivity"}, in: []string{"isolated-miner", "split-brain"},
	},
	{
		name: "large-history-malformed", area: "wire",
		bug: "an answer of more than 16 blocks counts as malformed", like: "btcd 2022: limits of a decoder below those of the protocol",
		edits: []edit{{"wire/check.go", "checkCount(TypeBlocks, len(m.Blocks), 0, MaxBlocks); err", "checkCount(TypeBlocks, len(m.Blocks), 0, 16); err"}},
		by:    []string{"connectivity", "convergence"}, in: []string{"split-brain", "crash-restart"},
	},
	{
		name: "large-block-malformed", area: "wire",
		bug: "full-1 takes a block with more than eight transactions for malformed", like: "btcd 2022: a witness larger than the decoder's limit",
		edits: []edit{{"node.go", "if err := wire.Check(m); err != nil {", "if b, ok := m.(*wire.Block); ok && n.cfg.Name == \"full-1\" && len(b.Block.Txs) > 8 {\n\t\tn.misbehaved(p, nil, \"block too large\")\n\t\treturn n.end()\n\t}\n\tif err := wire.Check(m); err != nil {"}},
		by:    []string{"connectivity"}, in: []string{"split-brain"},
	},

	// Sync and orphans.
	{
		name: "history-in-one-answer", area: "sync",
		bug: "a sync ends after one answer of eight blocks, whether there are more or not", like: "a flag for more that nobody reads",
		edits: []edit{
			{"sync.go", "n.tree.After(m.Locator, wire.MaxBlocks)", "n.tree.After(m.Locator, 8)"},
			{"sync.go", "if ok && m.More && n.continueSync(p, m.Blocks, fresh) {", "if ok && m.More && fresh < 0 {"},
		},
		by: []string{"convergence", "connectivity", "block_propagation"}, in: []string{"split-brain", "crash-restart"},
	},
	{
		name: "sync-waits-for-ever", area: "sync",
		bug: "a sync whose answer does not come waits for ever", like: "Geth and Cosmos: sync stuck on a silent peer",
		edits: []edit{{"sync.go", "if p == nil || n.now < n.sync.deadline {", "if p == nil || n.now < n.sync.deadline+Time(time.Hour) {"}},
		by:    []string{"convergence", "block_propagation", "connectivity"}, in: []string{"adversaries"},
	},
	{
		name: "sync-from-genesis", area: "sync",
		bug: "every sync requests the whole chain again", like: "locators that begin at genesis",
		edits: []edit{{"sync.go", "n.requestBlocks(best, n.tree.Locator())", "n.requestBlocks(best, []chain.Hash{n.genesis})"}},
		by:    []string{"consistency"}, in: []string{"crash-restart"},
	},
	{
		name: "sync-result-not-announced", area: "sync",
		bug: "a node that has caught up does not announce its new head", like: "blocks that were imported while syncing are not gossiped",
		edits: []edit{{"sync.go", "\tif !moved {\n\t\treturn\n\t}\n", "\tif !moved || from != nil {\n\t\treturn\n\t}\n"}},
		by:    []string{"convergence", "block_propagation", "connectivity"}, in: []string{"split-brain", "crash-restart"},
		unseen: "all nodes of a half sync by themselves, and the next block is announced as ever",
	},
	{
		name: "claims-not-dropped", area: "sync",
		bug: "a peer that claims more than it sends gets requests again and again", like: "sync loops on a peer that lies about its head",
		edits: []edit{{"sync.go", "\tp.ahead, p.work = false, chain.Work{}\n", ""}},
		by:    []string{"connectivity", "adversary", "convergence"}, in: []string{"adversaries"},
	},
	{
		name: "orphans-of-orphans-forgotten", area: "orphans",
		bug: "when a missing parent comes, its children are added and their children are not", like: "orphan handling without a loop",
		edits: []edit{{"blocks.go", "\t\t\t\tqueue = append(queue, o.block.Hash())\n", "\t\t\t\tcontinue\n"}},
		by:    []string{"convergence", "block_propagation"}, in: []string{"slow-links", "split-brain"},
		unseen: "a sync brings them at once",
	},
	{
		name: "history-without-checks", area: "sync",
		bug: "blocks that come as history are added without an execution of their transactions", like: "checkpoints and fast sync that trust a peer",
		edits: []edit{
			{"blocks.go", "added, err := n.tree.Add(b, n.millis())", "n.tree.Trusting = from.synced\n\tadded, err := n.tree.Add(b, n.millis())"},
			{"chain/tree.go", "type Tree struct {\n", "type Tree struct {\n\tTrusting bool\n"},
			{"chain/tree.go", "if e.state, err = t.ledger.Execute(before, b); err != nil {", "if t.Trusting {\n\t\te.state, err = t.ledger.replay(before, b)\n\t} else {\n\t\te.state, err = t.ledger.Execute(before, b)\n\t}\n\tif err != nil {"},
		},
		by: []string{"adversary", "validity"}, in: []string{"adversaries"},
	},

	// Peers and bans.
	{
		name: "bans-not-enforced", area: "bans",
		bug: "a banned peer may connect again at once", like: "ban lists that are checked for outbound connections alone",
		edits: []edit{{"peers.go", "int64(n.now)); banned {\n\t\treturn \"banned\"", "int64(n.now)); banned && outbound {\n\t\treturn \"banned\""}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "bans-of-a-second", area: "bans",
		bug: "a ban ends after a second", like: "durations in the wrong unit",
		edits: []edit{{"peers/bans.go", "until := now + int64(BanTime)", "until := now + int64(BanTime)/60"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "wrong-peer-banned", area: "bans",
		bug: "the oldest peer is banned in the place of the one that misbehaved", like: "misbehaviour booked on the wrong peer",
		edits: []edit{{"peers.go", "n.bans.Add(p.id, int64(n.now), reason)\n", "n.bans.Add(n.peers[0].id, int64(n.now), reason)\n"}},
		by:    []string{"adversary", "connectivity"}, in: []string{"adversaries"},
	},
	{
		name: "garbage-not-punished", area: "bans",
		bug: "bytes that are no message are skipped", like: "decoders that resynchronise",
		edits: []edit{{"node.go", "\tn.misbehaved(p, nil, err.Error())\n\treturn n.end()\n}\n\n// Intervals", "\treturn n.end()\n}\n\n// Intervals"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "flood-not-limited", area: "bans",
		bug: "requests of a peer are not limited", like: "Bitcoin CVE-2013-5700 and other floods",
		edits: []edit{{"node.go", "1, controlBurst, controlRate)", "1, 1<<30, 1<<29)"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "genesis-not-compared", area: "peers",
		bug: "a peer of another network is taken for one of this", like: "testnet and mainnet nodes that share a port",
		edits: []edit{{"peers.go", "case m.Genesis != n.genesis:", "case m.Genesis == chain.Hash{}:"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "refusals-ban", area: "bans",
		bug: "a peer that sends a few transactions that do not fit the node's chain is banned", like: "DoS scores for what honest nodes do after a fork",
		edits: []edit{{"txs.go", "1, refusedBurst, refusedRate)", "1, 3, 1)"}},
		by:    []string{"connectivity"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "announcements-ban", area: "bans",
		bug: "a peer that announces a backlog is banned for flooding", like: "rate limits without a burst",
		edits: []edit{{"relay.go", "len(m.Hashes), itemsBurst, itemsRate)", "len(m.Hashes), 100, 64)"}},
		by:    []string{"connectivity"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "duplicate-block-sender-dropped", area: "peers",
		bug: "a peer whose block does not become the head is disconnected", like: "honest peers dropped for stale blocks: Geth's bad peers",
		edits: []edit{{"blocks.go", "\tn.accepted(b, added, from)\n\treturn true", "\tn.accepted(b, added, from)\n\tif !added.NewHead && from.peer != nil && !from.synced {\n\t\tn.disconnect(from.peer, \"stale block\")\n\t}\n\treturn true"}},
		by:    []string{"connectivity"}, in: []string{"slow-links", "split-brain"},
	},
	{
		name: "peers-rotated", area: "peers",
		bug: "a node drops its oldest peer every twenty seconds", like: "peer rotation that never settles",
		edits: []edit{
			{"node.go", "\tn.keepPeers()\n\tn.rebroadcast()\n", "\tn.keepPeers()\n\tif n.now >= n.rotate && len(n.peers) > 0 {\n\t\tif n.rotate != 0 {\n\t\t\tn.disconnect(n.peers[0], \"rotated\")\n\t\t}\n\t\tn.rotate = n.now + Time(20*time.Second)\n\t}\n\tn.rebroadcast()\n"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\trotate Time\n"},
		},
		by: []string{"connectivity"}, in: []string{"split-brain"},
	},
	{
		name: "configured-peers-dropped-as-surplus", area: "peers",
		bug: "surplus connections are dropped whether they are configured or not, and at once", like: "connection managers that trim the wrong peers",
		edits: []edit{
			{"peers.go", "p.live() && p.outbound && !n.dialer.Configured(p.id) {", "p.live() {"},
			{"peers.go", "surplus := count > 2*n.cfg.MinPeers && n.dialer.AllUp()", "surplus := count > n.cfg.MinPeers"},
			{"peers.go", "n.dropSurplus(count - 2*n.cfg.MinPeers)", "n.dropSurplus(count - n.cfg.MinPeers)"},
		},
		by: []string{"connectivity"}, in: []string{"split-brain", "quickstart"},
		unseen: "nodes of the catalog seldom have more peers than they are given",
	},
	{
		name: "pong-not-sent", area: "peers",
		bug: "pings are not answered", like: "keep-alives that one side does not implement",
		edits: []edit{{"node.go", "\t\tn.send(p, &wire.Pong{Nonce: m.Nonce})\n", ""}},
		by:    []string{"connectivity"}, in: []string{"split-brain", "quickstart", "crash-restart"},
		unseen: "no connection of the catalog is idle for so long that a peer pings",
	},
	{
		name: "dial-backoff-doubles", area: "peers",
		bug: "the pause between dials doubles without a bound", like: "libp2p and devp2p: back-off of minutes after a short outage",
		edits: []edit{{"peers/dialer.go", "\treturn low + d.rng.Int64N(spread)\n", "\treturn low<<min(fails, 8) + d.rng.Int64N(spread)\n"}},
		by:    []string{"connectivity", "convergence"}, in: []string{"isolated-miner", "split-brain"},
		unseen: "whether a pause exceeds the bound depends on when the cut began",
	},
	{
		name: "slots-leak", area: "peers",
		bug: "the slot of a peer that disconnects is not freed", like: "Bitcoin and geth: connection slots that leak",
		edits: []edit{
			{"peers.go", "if !outbound && n.connections() >= n.cfg.MaxPeers {", "if !outbound && n.slots >= n.cfg.MaxPeers/4 {"},
			{"peers.go", "\tn.peers = append(n.peers, p)\n", "\tn.slots++\n\tn.peers = append(n.peers, p)\n"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tslots int\n"},
		},
		by: []string{"connectivity", "convergence"}, in: []string{"split-brain", "isolated-miner", "adversaries"},
	},
	{
		name: "before-hello-accepted", area: "peers",
		bug: "messages before the handshake are handled", like: "Bitcoin: messages before version",
		edits: []edit{{"node.go", "if !p.up {\n\t\t// No ban", "if !p.up && m.Type() == wire.TypeHello {\n\t\t// No ban"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},

	// Storage.
	{
		name: "stored-in-batches", area: "storage",
		bug: "blocks are stored five at a time", like: "write-behind caches: Geth's dirty cache after a crash",
		edits: []edit{
			{"blocks.go", "n.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})", "if n.unsaved = append(n.unsaved, b); len(n.unsaved) >= 5 {\n\t\tfor _, u := range n.unsaved {\n\t\t\tn.fx = append(n.fx, Effect{Kind: EffectPersist, Block: u})\n\t\t}\n\t\tn.unsaved = nil\n\t}"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tunsaved []*chain.Block\n"},
		},
		by: []string{"durability"}, in: []string{"crash-restart"},
	},
	{
		name: "stored-at-the-stop", area: "storage",
		bug: "blocks are stored when the node stops cleanly", like: "databases that are flushed at shutdown",
		edits: []edit{
			{"blocks.go", "n.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})", "n.unsaved = append(n.unsaved, b)"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tunsaved []*chain.Block\n"},
			{"node.go", "\tn.running = false\n", "\tn.running = false\n\tfor _, u := range n.unsaved {\n\t\tn.fx = append(n.fx, Effect{Kind: EffectPersist, Block: u})\n\t}\n"},
		},
		by: []string{"durability"}, in: []string{"crash-restart"},
	},
	{
		name: "last-record-ignored", area: "storage",
		bug: "the last stored block is ignored at a start", like: "log recovery that drops the last record",
		edits: []edit{{"node.go", "func (n *Node) load(stored []*chain.Block) error {\n", "func (n *Node) load(stored []*chain.Block) error {\n\tstored = stored[:max(0, len(stored)-1)]\n"}},
		by:    []string{"durability"}, in: []string{"crash-restart"},
	},
	{
		name: "loaded-by-height", area: "storage",
		bug: "stored blocks are read by height and hash, so that another block wins a tie after a restart", like: "key-value stores that order by key",
		edits: []edit{
			{"node.go", "func (n *Node) load(stored []*chain.Block) error {\n", "func (n *Node) load(stored []*chain.Block) error {\n\tstored = slices.Clone(stored)\n\tslices.SortFunc(stored, func(a, b *chain.Block) int {\n\t\tif a.Height != b.Height {\n\t\t\treturn int(a.Height) - int(b.Height)\n\t\t}\n\t\treturn a.Hash().Cmp(b.Hash())\n\t})\n"},
			{"node.go", "\t\"math/rand/v2\"\n", "\t\"math/rand/v2\"\n\t\"slices\"\n"},
		},
		by: []string{"durability"}, in: []string{"crash-restart"},
		unseen: "a node must be down while two blocks of equal work are at its head, which is rare",
	},

	// Liveness of one node.
	{
		name: "timer-lost-with-a-peer", area: "liveness",
		bug: "the periodic timer is not set again after a peer has disconnected", like: "a return before the timer is set",
		edits: []edit{
			{"node.go", "\tn.setTimer(TimerTick, n.now+Time(tickInterval))\n", "\tif !n.lost {\n\t\tn.setTimer(TimerTick, n.now+Time(tickInterval))\n\t}\n"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tlost bool\n"},
			{"peers.go", "\tlocal := p.closing != \"\"\n", "\tn.lost = true\n\tlocal := p.closing != \"\"\n"},
		},
		by: []string{"connectivity", "convergence", "block_propagation", "inclusion"}, in: []string{"split-brain", "crash-restart", "isolated-miner"},
		unseen: "other timers dial lost peers, and announcements do for the rest",
	},
	{
		name: "stall-after-reorg", area: "liveness",
		bug: "a node ignores its peers for ten seconds after a reorganisation of more than two blocks", like: "long locks: compaction and unwinding",
		edits: []edit{
			{"node.go", "if !n.running || p == nil || p.closing != \"\" {\n\t\treturn n.fx\n\t}\n\tp.lastReceived", "if !n.running || p == nil || p.closing != \"\" || now < n.stalled {\n\t\treturn n.fx\n\t}\n\tp.lastReceived"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tstalled Time\n"},
			{"blocks.go", "\tif added.NewHead {\n\t\tn.review = true\n", "\tif added.NewHead {\n\t\tif len(added.Dropped) > 2 {\n\t\t\tn.stalled = n.now + 10e9\n\t\t}\n\t\tn.review = true\n"},
		},
		by: []string{"connectivity", "convergence", "block_propagation"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "panic-with-many-pending", area: "liveness",
		bug: "a node crashes when 30 transactions are pending", like: "fixed-size buffers",
		edits: []edit{{"mempool/pool.go", "\te.seq = p.seq\n", "\te.seq = p.seq\n\tvar slots [30]uint64\n\tslots[len(p.byID)] = e.seq\n\t_ = slots\n"}},
		by:    []string{"no_crash"}, in: []string{"split-brain", "adversaries"},
	},
	{
		name: "panic-on-disconnect-in-sync", area: "liveness",
		bug: "a node crashes when the peer that it syncs from disconnects", like: "nil peers in download queues",
		edits: []edit{{"sync.go", "\t\tn.sync.peer = nil\n\t\tn.review = true\n\t\tn.reviewSync()\n", "\t\tpanic(\"sync: peer is nil\")\n"}},
		by:    []string{"no_crash"}, in: []string{"adversaries"},
	},

	// Reporting: the log.
	{
		name: "log-in-local-time", area: "reporting",
		bug: "full-1 stamps its log in local time, an hour ahead", like: "clocks in local time",
		edits: []edit{{"node.go", "\te.Time = n.now\n", "\te.Time = n.now\n\tif n.cfg.Name == \"full-1\" {\n\t\te.Time += Time(time.Hour)\n\t}\n"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "log-in-seconds", area: "reporting",
		bug: "the log has the time in whole seconds", like: "timestamps without fractions",
		edits: []edit{{"node.go", "\te.Time = n.now\n", "\te.Time = n.now / 1e9 * 1e9\n"}},
		by:    []string{"consistency", "block_propagation"}, in: []string{"quickstart"},
	},
	{
		name: "heads-logged-late", area: "reporting",
		bug: "a new head is logged at the next tick, half a second later", like: "buffered logs that are stamped when they are written",
		edits: []edit{
			{"blocks.go", "\t\tn.event(Event{Kind: EventHead, Hash: &h, Height: b.Height, Old: &added.OldHead, Dropped: len(added.Dropped)})\n", "\t\te := Event{Kind: EventHead, Hash: &h, Height: b.Height, Old: &added.OldHead, Dropped: len(added.Dropped)}\n\t\tn.later = append(n.later, func() { n.event(e) })\n"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tlater []func()\n"},
			{"node.go", "func (n *Node) tick() {\n", "func (n *Node) tick() {\n\tfor _, f := range n.later {\n\t\tf()\n\t}\n\tn.later = nil\n"},
		},
		by: []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "head-before-block", area: "reporting",
		bug: "a new head is logged before the block itself", like: "head pointers written before the block",
		edits: []edit{
			{"blocks.go", "\tn.event(Event{\n\t\tKind: EventBlock,", "\tif added.NewHead {\n\t\tn.event(Event{Kind: EventHead, Hash: &h, Height: b.Height, Old: &added.OldHead, Dropped: len(added.Dropped)})\n\t}\n\tn.event(Event{\n\t\tKind: EventBlock,"},
			{"blocks.go", "len(added.Dropped)})\n\t}\n\tif from.peer != nil {\n", "len(added.Dropped)})\n\t\tn.fx = n.fx[:len(n.fx)-1]\n\t}\n\tif from.peer != nil {\n"},
		},
		by: []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "old-head-is-the-parent", area: "reporting",
		bug: "the log names the new head's parent as the old head, also in a reorganisation", like: "reorganisation events without the old branch",
		edits: []edit{{"blocks.go", "Old: &added.OldHead,", "Old: &b.Parent,"}},
		by:    []string{"consistency", "agreement"}, in: []string{"split-brain", "slow-links"},
	},
	{
		name: "log-height-off-by-one", area: "reporting",
		bug: "the log's heads have a height one too large", like: "heights that count genesis",
		edits: []edit{{"blocks.go", "Kind: EventHead, Hash: &h, Height: b.Height,", "Kind: EventHead, Hash: &h, Height: b.Height + 1,"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "made-blocks-not-marked", area: "reporting",
		bug: "the log does not say which blocks a miner made itself", like: "a flag that is never set",
		edits: []edit{{"blocks.go", "Made: from.made,", "Made: false,"}},
		by:    []string{"consistency", "chain_growth"}, in: []string{"quickstart"},
	},
	{
		name: "wrong-sender-logged", area: "reporting",
		bug: "the log names the oldest peer as the sender of every block", like: "statistics by a stale peer variable",
		edits: []edit{{"blocks.go", "\tid := o.id\n\treturn &id\n", "\tid := o.id\n\tif o.peer != nil && o.first != nil {\n\t\tid = *o.first\n\t}\n\treturn &id\n"},
			{"blocks.go", "\tmade   bool\n", "\tmade   bool\n\tfirst  *chain.PeerID\n"},
			{"blocks.go", "\th := b.Hash()\n\tn.fx = append(n.fx, Effect{Kind: EffectPersist", "\th := b.Hash()\n\tif len(n.peers) > 0 {\n\t\tfrom.first = &n.peers[0].id\n\t}\n\tn.fx = append(n.fx, Effect{Kind: EffectPersist"},
		},
		by: []string{"consistency", "connectivity", "isolation"}, in: []string{"split-brain"},
	},
	{
		name: "start-without-head", area: "reporting",
		bug: "at a start the log names genesis as the head, whatever was loaded", like: "start-up banners before the database is open",
		edits: []edit{{"node.go", "\thead := n.tree.Head()\n\tn.event(Event{Kind: EventStart,", "\thead := n.tree.Genesis()\n\tn.event(Event{Kind: EventStart,"}},
		by:    []string{"durability", "consistency"}, in: []string{"crash-restart"},
	},
	{
		name: "stop-not-logged", area: "reporting",
		bug: "a clean stop is not logged", like: "buffers that are not flushed at exit",
		edits: []edit{{"node.go", "\tn.event(Event{Kind: EventStop})\n", ""}},
		by:    []string{"consistency"}, in: []string{"crash-restart"},
		unseen: "the event is for people: the runtime itself says when a process ends",
	},
	{
		name: "peers-logged-before-handshake", area: "reporting",
		bug: "a peer is logged as connected before its handshake", like: "connection counters in the transport layer",
		edits: []edit{
			{"peers.go", "\tn.event(Event{Kind: EventPeerUp, Peer: &p.id, Outbound: p.outbound})\n", ""},
			{"peers.go", "\tn.dialer.Up(id)\n\tn.review = true\n", "\tn.dialer.Up(id)\n\tn.review = true\n\tn.event(Event{Kind: EventPeerUp, Peer: &p.id, Outbound: p.outbound})\n"},
		},
		by: []string{"consistency", "adversary"}, in: []string{"quickstart", "split-brain", "adversaries"},
		unseen: "between honest nodes the handshake takes a millisecond",
	},
	{
		name: "peers-logged-twice", area: "reporting",
		bug: "every connection is logged twice", like: "event handlers that are registered twice",
		edits: []edit{{"peers.go", "\tn.event(Event{Kind: EventPeerUp, Peer: &p.id, Outbound: p.outbound})\n", "\tn.event(Event{Kind: EventPeerUp, Peer: &p.id, Outbound: p.outbound})\n\tn.event(Event{Kind: EventPeerUp, Peer: &p.id, Outbound: p.outbound})\n"}},
		by:    []string{"consistency", "connectivity"}, in: []string{"quickstart"},
	},
	{
		name: "bans-not-logged", area: "reporting",
		bug: "bans are not logged", like: "misbehaviour without a log line",
		edits: []edit{{"peers.go", "\tn.event(Event{Kind: EventInvalid, Peer: &p.id, Hash: h, Reason: reason, Banned: true})\n", "\t_ = h\n"}},
		by:    []string{"adversary", "consistency", "connectivity"}, in: []string{"adversaries"},
		unseen: "a node may ban without a word",
	},

	// Reporting: the API.
	{
		name: "status-one-block-late", area: "reporting",
		bug: "the status shows the parent of the head", like: "status caches that are updated before the import",
		edits: []edit{{"query.go", "\treturn Status{\n\t\tHead: n.tree.Head().Hash(), Height: n.tree.Head().Height,", "\thead := n.tree.Head()\n\tif p, ok := n.tree.Get(head.Parent); ok {\n\t\thead = p\n\t}\n\treturn Status{\n\t\tHead: head.Hash(), Height: head.Height,"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "status-work-wrong", area: "reporting",
		bug: "the status states the work of a block that is not the head", like: "total difficulty read at the wrong height",
		edits: []edit{{"query.go", "Work: n.tree.HeadWork(),", "Work: n.tree.HeadWork().Add(chain.WorkOf(n.tree.Head().Bits)),"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "status-peers-half-open", area: "reporting",
		bug: "the status counts connections without a handshake, and those that are being closed", like: "peer counts of two layers",
		edits: []edit{{"query.go", "Peers: n.countPeers((*peer).live),", "Peers: len(n.peers),"}},
		by:    []string{"consistency"}, in: []string{"quickstart", "adversaries", "split-brain"},
		unseen: "connections without a handshake last a millisecond",
	},
	{
		name: "status-peers-one-more", area: "reporting",
		bug: "the status counts the node itself as a peer", like: "off by one in net_peerCount",
		edits: []edit{{"query.go", "Peers: n.countPeers((*peer).live),", "Peers: n.countPeers((*peer).live) + 1,"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "status-mempool-constant", area: "reporting",
		bug: "the status says that no transaction is pending", like: "a gauge that is never set",
		edits: []edit{{"query.go", "Mempool: n.pool.Len(),", "Mempool: 0,"}},
		by:    []string{"consistency"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "status-always-mining", area: "reporting",
		bug: "the status of every node says that it mines", like: "eth_mining from the configuration",
		edits: []edit{{"query.go", "Mining: n.running && n.miner.on,", "Mining: n.running,"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "status-always-syncing", area: "reporting",
		bug: "the status says for ever that the node syncs", like: "eth_syncing that never becomes false",
		edits: []edit{{"query.go", "Syncing: n.sync.peer != nil,", "Syncing: true,"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "received-not-counted", area: "reporting",
		bug: "received blocks are not counted", like: "metrics of one path alone",
		edits: []edit{{"blocks.go", "\tn.counters.Received++\n", ""}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "duplicates-not-counted", area: "reporting",
		bug: "blocks and transactions that a node has already are not counted as duplicates", like: "metrics after a return",
		edits: []edit{
			{"blocks.go", "\tif n.tree.Has(h) {\n\t\tn.counters.Duplicates++\n", "\tif n.tree.Has(h) {\n"},
			{"txs.go", "\t\tn.counters.Duplicates++\n", ""},
		},
		by: []string{"consistency"}, in: []string{"quickstart"},
		unseen: "nodes of the catalog request what was announced to them, once: without adversaries nothing comes twice",
	},
	{
		name: "api-block-cached", area: "reporting",
		bug: "the API goes on answering with the block that it once gave for a height, also after a reorganisation", like: "caches by height that a reorganisation does not clear: Infura, Blockscout",
		edits: []edit{
			{"query.go", "func (n *Node) BlockAt(h chain.Height) (*chain.Block, bool) { return n.tree.AtHeight(h) }", "func (n *Node) BlockAt(h chain.Height) (*chain.Block, bool) {\n\tif b, ok := n.given[h]; ok {\n\t\treturn b, true\n\t}\n\tb, ok := n.tree.AtHeight(h)\n\tif ok {\n\t\tif n.given == nil {\n\t\t\tn.given = make(map[chain.Height]*chain.Block)\n\t\t}\n\t\tn.given[h] = b\n\t}\n\treturn b, ok\n}"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tgiven map[chain.Height]*chain.Block\n"},
		},
		by: []string{"consistency"}, in: []string{"split-brain", "isolated-miner", "slow-links"},
	},
	{
		name: "api-block-cached-for-ever", area: "reporting",
		bug: "the API answers with the blocks as they were when they joined the chain first, also after a reorganisation", like: "an index by height that a reorganisation does not rewrite",
		edits: []edit{
			{"query.go", "func (n *Node) BlockAt(h chain.Height) (*chain.Block, bool) { return n.tree.AtHeight(h) }", "func (n *Node) BlockAt(h chain.Height) (*chain.Block, bool) {\n\tif b, ok := n.given[h]; ok {\n\t\treturn b, true\n\t}\n\treturn n.tree.AtHeight(h)\n}"},
			{"node.go", "type Node struct {\n", "type Node struct {\n\tgiven map[chain.Height]*chain.Block\n"},
			{"blocks.go", "\tif added.NewHead {\n\t\tn.review = true\n", "\tif added.NewHead {\n\t\tif n.given == nil {\n\t\t\tn.given = make(map[chain.Height]*chain.Block)\n\t\t}\n\t\tif n.given[b.Height] == nil {\n\t\t\tn.given[b.Height] = b\n\t\t}\n\t\tn.review = true\n"},
		},
		by: []string{"consistency"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "api-head-one-block-late", area: "reporting",
		bug: "the API's head is the block before the status's head", like: "latest and pending that are mixed up",
		edits: []edit{{"daemon/api/endpoints.go", "func(n *node.Node) { b, _ = n.Block(n.Status().Head) })", "func(n *node.Node) {\n\t\tb, _ = n.Block(n.Status().Head)\n\t\tif p, ok := n.Block(b.Parent); ok {\n\t\t\tb = p\n\t\t}\n\t})"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "api-transactions-cut", area: "reporting",
		bug: "the API's blocks list at most four transactions", like: "pages that are taken for the whole",
		edits: []edit{{"daemon/api/endpoints.go", "Hash: b.Hash(), Header: b.Header, Txs: txViews(b.Txs),", "Hash: b.Hash(), Header: b.Header, Txs: txViews(b.Txs[:min(4, len(b.Txs))]),"}},
		by:    []string{"validity"}, in: []string{"split-brain"},
	},
	{
		name: "api-balance-wrong", area: "reporting",
		bug: "the API's balances leave out the last digit", like: "units that are converted once too often",
		edits: []edit{{"daemon/api/endpoints.go", "view.Balance, view.Nonce, view.NextNonce = a.Balance,", "view.Balance, view.Nonce, view.NextNonce = a.Balance/10,"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "api-peers-outbound-only", area: "reporting",
		bug: "the API lists the peers that the node dialled alone", like: "admin_peers without inbound peers",
		edits: []edit{{"query.go", "\t\tif p.live() {\n\t\t\tout = append(out, PeerInfo", "\t\tif p.live() && p.outbound {\n\t\t\tout = append(out, PeerInfo"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "transaction-status-unknown", area: "reporting",
		bug: "the API says of included transactions that it does not know them", like: "receipts that are missing: eth_getTransactionReceipt",
		edits: []edit{{"query.go", "\theight, ok := n.included.height(&id)\n\tif !ok {", "\theight, ok := n.included.height(&id)\n\tif !ok || height > 0 {"}},
		by:    []string{"consistency"}, in: []string{"quickstart"},
	},
	{
		name: "submission-refused-but-kept", area: "reporting",
		bug: "the API answers one submission in sixteen with an error and relays the transaction all the same", like: "RPC time-outs of transactions that were sent",
		edits: []edit{{"daemon/api/endpoints.go", "\tif refused != nil {\n", "\tif id := tx.ID(); refused == nil && id[0]%16 == 0 {\n\t\trefused = errors.New(\"timeout\")\n\t}\n\tif refused != nil {\n"}},
		by:    []string{"inclusion", "consistency"}, in: []string{"quickstart", "split-brain"},
	},
}
