package main

// mutant is a bug of a real chain, planted in our node.
type mutant struct {
	name string
	area string
	bug  string // what the node does wrong
	like string // where such a bug was found, or which kind it is
	// edits are replacements in files below node/. A bug of one node checks its name: n.cfg.Name in package node, and a
	// field that package node sets elsewhere.
	edits []edit
	by    []string // invariants that name the right cause, one of which must fail
	in    []string // scenarios in which it must show, of the catalog or files; nil: all of the catalog
	// survives says why no invariant can catch it, for the few that stay.
	survives string
	// unseen says why no scenario shows it yet, or why nobody outside the node can see it. Such a mutant is run by its name alone and
	// is in no share.
	unseen string
}

// edit replaces a text that occurs exactly once in a file.
type edit struct{ file, old, new string }

// mutants are grouped by area.
var mutants = append(planted, audited...)

var planted = []mutant{
	// Difficulty.
	{
		name: "difficulty-frozen", area: "difficulty",
		bug: "the difficulty never changes", like: "regtest's no-retarget flag on a live network",
		edits: []edit{{"consensus/pow/engine.go", "if first == nil {\n\t\treturn e.bits", "if first == nil || e.bits != 0 {\n\t\treturn e.bits"}},
		by:    []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "difficulty-off-by-one", area: "difficulty",
		bug: "the height difference is one too large", like: "Bitcoin: 2015 intervals in a window of 2016 blocks",
		edits: []edit{{"consensus/pow/engine.go", "int64(tip.Height-1))", "int64(tip.Height))"}},
		by:    []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "difficulty-reference-time", area: "difficulty",
		bug: "the reference is block 1's own time, not its parent's", like: "ASERT implementations that anchor at the wrong block",
		edits: []edit{{"consensus/pow/engine.go", "tip.Time-(first.Time-e.interval)", "tip.Time-first.Time"}},
		by:    []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "difficulty-rounds-down", area: "difficulty",
		bug: "a negative exponent is rounded down, not towards zero", like: "Bitcoin Cash: ports of aserti3-2d in languages with floor division",
		edits: []edit{{"consensus/pow/difficulty.go", "late.Quo(late, ", "late.Div(late, "}},
		by:    []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "difficulty-coefficient", area: "difficulty",
		bug: "two digits of the polynomial are transposed", like: "constants that are copied by hand",
		edits: []edit{{"consensus/pow/difficulty.go", "cubic2 = 971821376", "cubic2 = 978121376"}},
		by:    []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "difficulty-never-eases", area: "difficulty",
		bug: "the difficulty rises and never falls below its start", like: "Bitcoin Cash before its emergency adjustment",
		edits: []edit{{
			"consensus/pow/engine.go", "return target.Bits()",
			"if target.Cmp(e.target) > 0 {\n\t\treturn e.bits\n\t}\n\treturn target.Bits()",
		}},
		by: []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "difficulty-one-miner-differs", area: "difficulty",
		bug: "miner-2 computes with another half-life", like: "two clients that disagree about a rule: Geth and Parity in November 2016",
		edits: []edit{{
			"node.go", "engine: pow.New(&cfg.Genesis)",
			"engine: pow.New(func() *chain.Genesis {\n\t\t\tg := cfg.Genesis\n\t\t\tif cfg.Name == \"miner-2\" {\n\t\t\t\tg.HalfLife *= 2\n\t\t\t}\n\t\t\treturn &g\n\t\t}())",
		}},
		by: []string{"agreement", "convergence"},
	},

	// Proof of work.
	{
		name: "proof-not-checked", area: "proof of work",
		bug: "a block without a proof of work is accepted", like: "a check that is left out on one path",
		edits: []edit{{"consensus/pow/engine.go", "!target.Met(hash) {", "!target.Met(hash) && e.bits == 0 {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "proof-loose", area: "proof of work",
		bug: "miners accept some nonces that miss the target, and nobody checks", like: "a miner's target that is compared in the wrong byte order",
		edits: []edit{
			{"consensus/pow/engine.go", "!target.Met(hash) {", "!target.Met(hash) && e.bits == 0 {"},
			{"consensus/pow/search.go", "if target.Met(s.hash(h.Nonce)) {", "if target.Met(s.hash(h.Nonce)) || h.Nonce%512 == 0 {"},
		},
		by: []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "bits-not-checked", area: "proof of work",
		bug: "a block with easier bits than demanded is accepted", like: "Verge 2018: blocks at the lowest difficulty",
		edits: []edit{{"consensus/pow/engine.go", "h.Bits != want {", "h.Bits != want && e.bits == 0 {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},

	// Timestamps and clocks.
	{
		name: "time-median-ignored", area: "timestamps",
		bug: "miners stamp blocks below the median of the last 11, and nobody checks", like: "Verge 2018: time warp",
		edits: []edit{
			{"consensus/pow/engine.go", "h.Time < least {", "h.Time < least && e.bits == 0 {"},
			{"chain/tree.go", "max(now, t.engine.MinTime(head)),", "t.engine.MinTime(head) - 5000,"},
			{"miner.go", "m.header.Time = max(m.header.Time, n.millis())\n", ""},
		},
		by: []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "time-median-not-checked", area: "timestamps",
		bug: "a block stamped below the median is accepted", like: "time warp attacks",
		edits: []edit{{"consensus/pow/engine.go", "h.Time < least {", "h.Time < least && e.bits == 0 {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "time-ten-hours-ahead", area: "timestamps",
		bug: "miners stamp blocks ten hours ahead, and nobody checks", like: "a clock in local time instead of UTC",
		edits: []edit{
			{"consensus/pow/engine.go", "h.Time-now > MaxAhead {", "h.Time-now > 1000*MaxAhead {"},
			{"chain/tree.go", "max(now, t.engine.MinTime(head)),", "max(now+36_000_000, t.engine.MinTime(head)),"},
		},
		by: []string{"validity"}, in: []string{"quickstart", "split-brain"},
	},
	{
		name: "time-future-not-checked", area: "timestamps",
		bug: "a block from the far future is accepted", like: "a missing bound on the drift of clocks",
		edits: []edit{{"consensus/pow/engine.go", "h.Time-now > MaxAhead {", "h.Time-now > 1_000_000*MaxAhead {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "time-miner-ahead", area: "timestamps",
		bug: "miner-1 stamps its blocks 100 s ahead, within the rule, which makes the next ones easier", like: "Verge and other coins: difficulty lowered by timestamps",
		edits: []edit{{"miner.go", "n.tree.Template(n.id, txs, n.millis())", "n.tree.Template(n.id, txs, n.millis()+map[bool]chain.Millis{true: 100_000}[n.cfg.Name == \"miner-1\"])"}},
		by:    []string{"validity", "chain_growth"},
	},
	{
		name: "time-fresh-blocks-refused", area: "timestamps",
		bug: "a block counts as from the future until it is 3 s old", like: "bounds of clock drift with the wrong sign",
		edits: []edit{{
			"blocks.go", "added, err := n.tree.Add(b, n.millis())",
			"now := n.millis()\n\tif !from.made {\n\t\tnow -= 3000 + 120_000\n\t}\n\tadded, err := n.tree.Add(b, now)",
		}},
		by: []string{"block_propagation", "convergence", "chain_growth"},
	},
	{
		name: "clock-ten-minutes-slow", area: "timestamps",
		bug: "full-1 reads its clock ten minutes slow and refuses every block as from the future", like: "nodes that fall off after NTP fails",
		edits: []edit{{
			"node.go", "func (n *Node) millis() chain.Millis { return chain.Millis(n.now / Time(time.Millisecond)) }",
			"func (n *Node) millis() chain.Millis {\n\tms := chain.Millis(n.now / Time(time.Millisecond))\n\tif n.cfg.Name == \"full-1\" {\n\t\tms -= 600_000\n\t}\n\treturn ms\n}",
		}},
		by: []string{"convergence"},
	},

	// Fork choice.
	{
		name: "fork-choice-by-height", area: "fork choice",
		bug: "the longest chain wins, not the one with the most work", like: "Bitcoin before version 0.3.3",
		edits: []edit{{"chain/tree.go", "if e.work.Cmp(old.work) <= 0 {", "if e.block.Height <= old.block.Height {"}},
		by:    []string{"fork_choice", "agreement", "convergence"},
	},
	{
		name: "fork-choice-last-seen", area: "fork choice",
		bug: "among equals the last block wins", like: "eth clients that replaced the head on a tie",
		edits: []edit{{"chain/tree.go", "if e.work.Cmp(old.work) <= 0 {", "if e.work.Cmp(old.work) < 0 {"}},
		by:    []string{"fork_choice"},
	},
	{
		name: "fork-choice-lower-hash", area: "fork choice",
		bug: "among equals the lower hash wins, not the first seen", like: "a tie-break of another protocol",
		edits: []edit{{
			"chain/tree.go", "if e.work.Cmp(old.work) <= 0 {",
			"if c := e.work.Cmp(old.work); c < 0 || c == 0 && e.block.Hash().Cmp(old.block.Hash()) > 0 {",
		}},
		by: []string{"fork_choice"},
	},
	{
		name: "fork-choice-no-deep-reorg", area: "fork choice",
		bug: "a reorganisation of more than two blocks is refused", like: "Bitcoin ABC's rolling checkpoints, at a depth that a partition exceeds",
		edits: []edit{{
			"chain/tree.go", "\tgrown := int(e.block.Height) + 1\n",
			"\tif len(a.Dropped) > 2 {\n\t\treturn Added{}\n\t}\n\tgrown := int(e.block.Height) + 1\n",
		}},
		by: []string{"convergence", "agreement"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "fork-choice-one-node-stays", area: "fork choice",
		bug: "miner-1 never leaves its branch for a heavier one", like: "nodes stuck on a side chain until they are resynced",
		edits: []edit{
			{"chain/tree.go", "recent    ring[*treeEntry] // the last keepStates entries", "recent    ring[*treeEntry]\n\tStays bool"},
			{"chain/tree.go", "if e.work.Cmp(old.work) <= 0 {", "if e.work.Cmp(old.work) <= 0 || t.Stays && e.parent != old {"},
			{"node.go", "n.genesis = n.tree.Genesis().Hash()", "n.genesis = n.tree.Genesis().Hash()\n\tn.tree.Stays = cfg.Name == \"miner-1\""},
		},
		by: []string{"convergence", "agreement", "fork_choice"}, in: []string{"isolated-miner"},
	},
	{
		name: "fork-choice-equal-work", area: "fork choice",
		bug: "every block counts as the same work", like: "chains whose work is a counter",
		edits: []edit{{"chain/work.go", "func WorkOf(compact uint32) Work {\n", "func WorkOf(compact uint32) Work {\n\tif compact != 0 {\n\t\treturn Work{31: 1}\n\t}\n"}},
		by:    []string{"fork_choice", "agreement", "convergence", "consistency"},
	},

	// The ledger.
	{
		name: "reward-without-fees", area: "ledger",
		bug: "the fees of a block vanish", like: "Bitcoin: miners that claimed less than they may",
		edits: []edit{{"chain/ledger.go", "acct.Balance += subsidy + o.fees", "acct.Balance += subsidy"}},
		by:    []string{"validity"},
	},
	{
		name: "reward-doubled", area: "ledger",
		bug: "the subsidy is paid twice", like: "inflation bugs: Zcash 2018, Monero 2017",
		edits: []edit{{"chain/ledger.go", "acct.Balance += subsidy + o.fees", "acct.Balance += 2*subsidy + o.fees"}},
		by:    []string{"validity"},
	},
	{
		name: "transfer-loses-money", area: "ledger",
		bug: "the receiver gets half of what was sent", like: "rounding to the sender's disadvantage",
		edits: []edit{{"chain/ledger.go", "to.Balance += t.Amount", "to.Balance += t.Amount - t.Amount/2"}},
		by:    []string{"validity"},
	},
	{
		name: "nonce-not-incremented", area: "ledger",
		bug: "a transfer does not use up its nonce, so that it can be included again", like: "replays on early account-based chains",
		edits: []edit{{"chain/ledger.go", "from.Nonce++", "from.Nonce += 0"}},
		by:    []string{"validity"},
	},
	{
		name: "nonce-not-checked", area: "ledger",
		bug: "a block may include a transfer again", like: "replay attacks",
		edits: []edit{{"chain/ledger.go", "if t.Nonce != from.Nonce {", "if t.Nonce > from.Nonce {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "nonce-checked-once-a-block", area: "ledger",
		bug: "the second transfer of a sender in a block is not checked", like: "Bitcoin CVE-2018-17144: one input spent twice in a block",
		edits: []edit{{
			"chain/ledger.go", "if t.Nonce != from.Nonce {",
			"if _, again := o.changed[t.From]; t.Nonce != from.Nonce && !again {",
		}},
		by: []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "signature-not-checked", area: "ledger",
		bug: "any signature is accepted", like: "Bitcoin CVE-2010-5141: anybody could spend anybody's coins",
		edits: []edit{{"chain/ledger.go", "if !l.verify(t) {", "if t.Sig == (Signature{}) && !l.verify(t) {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "signature-cache-without-signature", area: "ledger",
		bug: "the cache of checked signatures does not cover the signature", like: "signature cache keys that leave out a field",
		edits: []edit{{"chain/ledger.go", "id := t.ID()\n\tl.mu.Lock()", "id := sha256d(t.appendUnsigned(nil))\n\tl.mu.Lock()"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "signature-without-network", area: "ledger",
		bug: "signatures do not cover the genesis, so that they are valid on every network", like: "Ethereum Classic before EIP-155",
		edits: []edit{{"chain/key.go", "\tmsg = append(msg, genesis[:]...)\n", ""}},
		by:    []string{"validity"},
	},
	{
		name: "funds-not-checked", area: "ledger",
		bug: "an account can send more than it has", like: "underflow of balances: BeautyChain 2018",
		edits: []edit{
			{"chain/ledger.go", "if from.Balance < cost {", "if from.Balance < cost && cost == 0 {"},
			{"mempool/pool.go", "case tx.Amount+tx.Fee > account.Balance:", "case tx.Amount+tx.Fee == 0:"},
		},
		by: []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "cost-overflows", area: "ledger",
		bug: "amount plus fee may overflow", like: "Bitcoin CVE-2010-5139: 184 billion coins",
		edits: []edit{
			{"chain/ledger.go", "return Amount(sum), carry == 0", "return Amount(sum), carry <= 1"},
			{"mempool/pool.go", "case tx.Fee > math.MaxUint64-tx.Amount:", "case tx.Fee > math.MaxUint64:"},
		},
		by: []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "transfer-to-oneself-mints", area: "ledger",
		bug: "a transfer to oneself creates money", like: "bZx 2020: transfers to oneself doubled the balance",
		edits: []edit{{
			"chain/ledger.go", "o.changed[t.From] = from\n\t// Read after the write: From and To may be the same account.\n\tto := o.get(t.To)\n",
			"to := o.get(t.To)\n\to.changed[t.From] = from\n",
		}},
		by: []string{"validity"},
	},
	{
		name: "state-root-not-checked", area: "ledger",
		bug: "a block with a wrong state root is accepted", like: "light checks on a full node",
		edits: []edit{{"chain/ledger.go", "root != b.StateRoot {", "root != b.StateRoot && b.Height == 0 {"}},
		by:    []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "tx-root-not-checked", area: "ledger",
		bug: "a block may have other transactions than its header commits to", like: "Bitcoin CVE-2012-2459 and its kin",
		edits: []edit{{"chain/ledger.go", "if !b.txsMatchRoot() {", "if !b.txsMatchRoot() && len(b.Txs) == 0 {"}},
		by:    []string{"adversary", "validity", "agreement"}, in: []string{"adversaries"},
	},
	{
		name: "tx-root-mismatch-is-final", area: "ledger",
		bug: "a block that arrives with a wrong body is remembered as invalid, and the right one refused", like: "Bitcoin CVE-2012-2459",
		edits: []edit{{"chain/tree.go", "if !errors.Is(err, ErrTxRoot) && !errors.Is(err, ErrTooManyTx) {", "if !errors.Is(err, ErrTooManyTx) {"}},
		by:    []string{"adversary", "convergence", "agreement", "block_propagation"}, in: []string{"adversaries"},
	},
	{
		name: "assume-valid", area: "ledger",
		bug: "the transactions of blocks older than 2 s are not checked", like: "assumevalid and snapshots without a commitment",
		edits: []edit{{
			"chain/tree.go", "if e.state, err = t.ledger.Execute(before, b); err != nil {",
			"if now-b.Time > 2000 {\n\t\te.state, err = t.ledger.replay(before, b)\n\t} else {\n\t\te.state, err = t.ledger.Execute(before, b)\n\t}\n\tif err != nil {",
		}},
		by: []string{"adversary", "validity"}, in: []string{"adversaries"},
	},
	{
		name: "state-aliased", area: "ledger",
		bug: "an account is changed in place, also in the states of other blocks", like: "Geth CVE-2020-26265: shallow copies of state",
		edits: []edit{{
			"chain/state.go", "\tcase n.leaf != nil:\n\t\ti, found",
			"\tcase n.leaf != nil && len(changes) == 1 && changes[0].addr == n.leaf.addr && changes[0].acct.Nonce > n.leaf.acct.Nonce:\n" +
				"\t\tn.leaf.acct = changes[0].acct\n\t\tn.hash = leafHash(n.leaf)\n\t\treturn n\n\tcase n.leaf != nil:\n\t\ti, found",
		}},
		by: []string{"convergence", "agreement", "chain_growth", "inclusion"},
	},
	{
		name: "state-recomputed-wrongly", area: "ledger",
		bug: "states that were pruned are recomputed without the rewards", like: "Geth: missing or wrong state after deep reorganisations",
		edits: []edit{
			{"chain/ledger.go", "return o.commit(b.Miner, l.subsidy)", "return o.commit(b.Miner, 0)"},
			{"chain/tree.go", "keepStates  = 256", "keepStates  = 4"},
		},
		by: []string{"convergence", "agreement"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "execution-depends-on-map-order", area: "non-determinism",
		bug: "one execution in some finds a valid block invalid, depending on the order of a map", like: "Go maps in state machines: Cosmos SDK chain halts",
		edits: []edit{{
			"chain/ledger.go", "if root := after.Root(); root != b.StateRoot {",
			"for a := range o.changed {\n\t\tif a == b.Miner && len(o.changed) > 4 {\n\t\t\treturn State{}, Invalid(ErrStateRoot, \"order\")\n\t\t}\n\t\tbreak\n\t}\n\tif root := after.Root(); root != b.StateRoot {",
		}},
		by: []string{"agreement", "convergence", "block_propagation", "chain_growth"},
	},
	{
		name: "state-depends-on-map-order", area: "non-determinism",
		bug: "a rounding remainder goes to whichever account comes first", like: "Go maps in state machines",
		edits: []edit{{
			"chain/ledger.go", "return o.base.with(changes), nil",
			"if o.fees%4 == 3 {\n\t\tchanges[0].acct.Balance++\n\t\tchanges[1].acct.Balance--\n\t}\n\treturn o.base.with(changes), nil",
		}},
		by: []string{"validity", "agreement", "convergence", "chain_growth", "inclusion"},
	},

	// Consensus failures between nodes and crashes.
	{
		name: "chain-halts-at-height", area: "consensus",
		bug: "no block above height 15 is accepted", like: "limits that are met years later: Bitcoin's BDB locks, block counters of one byte",
		edits: []edit{{"chain/tree.go", "if b.Height != parent.block.Height+1 {", "if b.Height != parent.block.Height+1 || b.Height > 15 {"}},
		by:    []string{"chain_growth"},
	},
	{
		name: "one-node-refuses-large-blocks", area: "consensus",
		bug: "full-1 refuses blocks with more than two transactions", like: "btcd 2022: nodes stuck at a block with a large witness",
		edits: []edit{{
			"blocks.go", "added, err := n.tree.Add(b, n.millis())",
			"if n.cfg.Name == \"full-1\" && len(b.Txs) > 2 {\n\t\treturn false\n\t}\n\tadded, err := n.tree.Add(b, n.millis())",
		}},
		by: []string{"convergence", "agreement", "block_propagation"},
	},
	{
		name: "half-the-miners-refuse-large-blocks", area: "consensus",
		bug: "miner-1 and miner-2 refuse blocks with more than four transactions, and ban who sends them", like: "Bitcoin March 2013: versions 0.7 and 0.8 on two chains",
		edits: []edit{{
			"blocks.go", "added, err := n.tree.Add(b, n.millis())",
			"added, err := chain.Added{}, chain.Invalid(chain.ErrTooManyTx, \"%d\", len(b.Txs))\n\tif len(b.Txs) <= 4 || n.cfg.Name != \"miner-1\" && n.cfg.Name != \"miner-2\" {\n\t\tadded, err = n.tree.Add(b, n.millis())\n\t}",
		}},
		by: []string{"convergence", "agreement"},
	},
	{
		name: "panic-on-deep-reorg", area: "consensus",
		bug: "a reorganisation of more than two blocks crashes the node", like: "Geth and Erigon: nil states in unwinds",
		edits: []edit{{
			"chain/tree.go", "\tgrown := int(e.block.Height) + 1\n",
			"\tif len(a.Dropped) > 2 {\n\t\tpanic(\"unwind: no state\")\n\t}\n\tgrown := int(e.block.Height) + 1\n",
		}},
		by: []string{"no_crash"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "panic-on-old-peer-message", area: "consensus",
		bug: "a node that gets a request for history from a branch it does not have crashes", like: "remote crashes by requests: Bitcoin CVE-2015-6031, Geth CVE-2018-20421",
		edits: []edit{{
			"chain/tree.go", "\t\tif e == nil || !t.isCanonical(e) {\n\t\t\tcontinue\n",
			"\t\tif e == nil {\n\t\t\tpanic(\"locator: unknown block\")\n\t\t}\n\t\tif !t.isCanonical(e) {\n\t\t\tcontinue\n",
		}},
		by: []string{"no_crash"}, in: []string{"split-brain", "isolated-miner"},
	},

	// Mining.
	{
		name: "miner-idle", area: "mining",
		bug: "miner-2 never mines", like: "a miner that lost its work server",
		edits: []edit{{"miner.go", "return n.cfg.Mine > 0 && ", "return n.cfg.Mine > 0 && n.cfg.Name != \"miner-2\" && "}},
		by:    []string{"chain_growth"},
	},
	{
		name: "miners-idle-while-a-peer-is-lost", area: "mining",
		bug: "miners stop while any configured peer is lost", like: "getblocktemplate: not connected",
		edits: []edit{{"miner.go", "return n.cfg.Mine > 0 && ", "return n.cfg.Mine > 0 && n.dialer.AllUp() && "}},
		by:    []string{"chain_growth"},
	},
	{
		name: "miners-idle-without-transactions", area: "mining",
		bug: "miners make no blocks without transactions", like: "Clique and other engines that skip empty blocks",
		edits: []edit{{"miner.go", "return n.cfg.Mine > 0 && ", "return n.cfg.Mine > 0 && n.pool.Len() > 0 && "}},
		by:    []string{"chain_growth", "convergence"},
	},
	{
		name: "mining-not-resumed-after-restart", area: "mining",
		bug: "a miner that starts again does not mine", like: "setgenerate is forgotten at a restart",
		edits: []edit{{"node.go", "err = n.load(stored)\n", "err = n.load(stored)\n\t\tif len(stored) > 0 {\n\t\t\tn.cfg.Mine = 0\n\t\t}\n"}},
		by:    []string{"chain_growth"}, in: []string{"crash-restart"},
	},
	{
		name: "mining-at-a-quarter", area: "mining",
		bug: "all miners make a quarter of their attempts", like: "CPU throttling, busy loops on a lock",
		edits: []edit{{"miner.go", "rate := n.cfg.Mine\n", "rate := n.cfg.Mine / 4\n"}},
		by:    []string{"chain_growth"},
	},
	{
		name: "mining-at-five-times", area: "mining",
		bug: "miner-1 makes five times its attempts", like: "covert optimisation, or a rate limit that does not bite",
		edits: []edit{{"miner.go", "rate := n.cfg.Mine\n", "rate := n.cfg.Mine\n\tif n.cfg.Name == \"miner-1\" {\n\t\trate *= 5\n\t}\n"}},
		by:    []string{"chain_growth"},
	},
	{
		name: "mining-all-at-five-times", area: "mining",
		bug: "all miners make five times their attempts", like: "a rate limit that does not bite",
		edits: []edit{{"miner.go", "rate := n.cfg.Mine\n", "rate := n.cfg.Mine * 5\n"}},
		by:    []string{"chain_growth"},
	},
	{
		name: "mining-stale", area: "mining",
		bug: "a miner goes on with its old head until it has found a block", like: "getwork without long polling",
		edits: []edit{
			{"miner.go", "case m.on && m.head != n.tree.Head().Hash():", "case m.on && m.head.IsZero():"},
			{"miner.go", "if m.head == n.tree.Head().Hash() {\n\t\tn.addBlock(b, origin{made: true})\n\t}", "n.addBlock(b, origin{made: true})\n\tm.header.Height = 0"},
			{"miner.go", "if fresh && m.header.Height == head.Height+1 && m.header.Parent == head.Hash() {", "if _ = fresh; m.header.Height > 0 && head != nil {"},
		},
		by: []string{"chain_growth", "agreement", "fork_choice"},
	},
	{
		name: "block-withholding", area: "mining",
		bug: "miner-1 does not announce the blocks that it makes until others ask", like: "selfish mining, Eyal and Sirer 2014",
		edits: []edit{{"blocks.go", "\tif !from.synced {\n", "\tif !from.synced && !(from.made && n.cfg.Name == \"miner-1\") {\n"}},
		by:    []string{"block_propagation"},
	},
	{
		name: "reward-to-nobody", area: "mining",
		bug: "miners name the zero address as the block's miner", like: "mined to an unset coinbase: Geth's early days",
		edits: []edit{{"miner.go", "n.tree.Template(n.id, ", "n.tree.Template(chain.Address{}, "}},
		by:    []string{"consistency"},
	},

	// The mempool and transactions.
	{
		name: "blocks-empty", area: "mempool",
		bug: "miners include no transactions", like: "empty blocks by mining pools",
		edits: []edit{{"miner.go", "n.pool.Ready(chain.MaxBlockTxs,", "n.pool.Ready(0,"}},
		by:    []string{"inclusion"},
	},
	{
		name: "account-censored", area: "censorship",
		bug: "miners leave out the transfers of one account", like: "OFAC censorship: Tornado Cash 2022",
		edits: []edit{{
			"miner.go", "\ttxs := make([]chain.Tx, len(pending))\n\tfor i, p := range pending {\n\t\ttxs[i] = p.Tx\n\t}\n",
			"\ttxs := make([]chain.Tx, 0, len(pending))\n\tfor _, p := range pending {\n\t\tif p.Tx.From != n.cfg.Genesis.Alloc[0].Address {\n\t\t\ttxs = append(txs, p.Tx)\n\t\t}\n\t}\n",
		}},
		by: []string{"inclusion"},
	},
	{
		name: "submissions-not-relayed", area: "censorship",
		bug: "full-1 accepts its users' transactions and does not relay them", like: "private mempools",
		edits: []edit{{
			"txs.go", "\tn.relay(wire.ItemTx, m.ID(), m, nil, nil)\n\treturn n.end(), nil",
			"\tif n.cfg.Name != \"full-1\" {\n\t\tn.relay(wire.ItemTx, m.ID(), m, nil, nil)\n\t}\n\treturn n.end(), nil",
		}},
		by: []string{"inclusion"},
	},
	{
		name: "submissions-dropped", area: "mempool",
		bug: "one in eight accepted transactions is dropped", like: "transactions that vanish from Geth's pool",
		edits: []edit{{
			"txs.go", "\terr := mempool.ErrKnown\n", "\terr := mempool.ErrKnown\n\tif m.ID()[0]%8 == 0 {\n\t\treturn n.end(), nil\n\t}\n",
		}},
		by: []string{"inclusion"},
	},
	{
		name: "transactions-lost-in-reorg", area: "mempool",
		bug: "transactions of dropped blocks do not return to the mempool", like: "Geth and others: transactions lost in reorganisations",
		edits: []edit{{"blocks.go", "\t\tn.returnTxs(added.Dropped)\n", ""}},
		by:    []string{"inclusion"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "mempool-not-updated", area: "mempool",
		bug: "included transactions stay in the mempool and block their senders", like: "stuck pools after a missed head event",
		edits: []edit{{"blocks.go", "\t\tn.updatePool(added)\n", ""}},
		by:    []string{"inclusion"},
	},
	{
		name: "mempool-small", area: "mempool",
		bug: "the mempool holds 20 transactions", like: "limits set for another chain",
		edits: []edit{{"mempool/pool.go", "MaxTxs       = 5000", "MaxTxs       = 20"}},
		by:    []string{"inclusion"},
	},
	{
		name: "mempool-few-per-sender", area: "mempool",
		bug: "the mempool holds two transactions of a sender", like: "Geth: account slots",
		edits: []edit{{"mempool/pool.go", "MaxPerSender = 1024", "MaxPerSender = 2"}},
		by:    []string{"inclusion"},
	},
	{
		name: "next-nonce-without-pending", area: "nonce",
		bug: "the API's next nonce ignores pending transactions", like: "eth_getTransactionCount with latest",
		edits: []edit{{"query.go", "return n.pool.Next(a, n.Account(a).Nonce)", "return n.Account(a).Nonce"}},
		by:    []string{"inclusion"},
	},
	{
		name: "next-nonce-skips", area: "nonce",
		bug: "after every eighth transfer the API's next nonce leaves a gap, and all later ones wait for ever", like: "nonce gaps: stuck accounts",
		edits: []edit{{
			"query.go", "return n.pool.Next(a, n.Account(a).Nonce)",
			"next := n.pool.Next(a, n.Account(a).Nonce)\n\tif next%8 == 7 {\n\t\tnext++\n\t}\n\treturn next",
		}},
		by: []string{"inclusion"},
	},
	{
		name: "pool-verifies-nothing", area: "mempool",
		bug: "the mempool relays transactions with invalid signatures", like: "free relay: resource exhaustion",
		edits: []edit{{"mempool/pool.go", "if !p.verify(m) {", "if !p.verify(m) && m == nil {"}},
		by:    []string{"adversary"}, in: []string{"adversaries"},
	},
	{
		name: "transactions-not-relayed-on", area: "relay",
		bug: "transactions spread to direct peers only", like: "relay disabled by a wrong flag: blocksonly",
		edits: []edit{{"txs.go", "\t\tn.relay(wire.ItemTx, id, m, p, nil)\n", ""}},
		by:    []string{"inclusion"}, in: []string{"testnets/regressions/line-isolate.yaml"},
	},
	{
		name: "backlog-not-sent", area: "relay",
		bug: "a new peer is not sent the pending transactions", like: "pools that stay apart after a partition",
		edits: []edit{{"peers.go", "\tn.sendBacklog(p)\n", ""}},
		by:    []string{"inclusion"},
	},

	// Relay of blocks.
	{
		name: "blocks-not-relayed-on", area: "relay",
		bug: "blocks of others are not relayed, only announced from time to time", like: "a relay loop that stops after an error",
		edits: []edit{{"blocks.go", "\tif !from.synced {\n", "\tif from.made {\n"}},
		by:    []string{"block_propagation"},
	},
	{
		name: "one-node-relays-nothing", area: "relay",
		bug: "full-1 takes blocks and passes none on", like: "free riders, eclipsed neighbours",
		edits: []edit{
			{"blocks.go", "\tif !from.synced {\n", "\tif !from.synced && n.cfg.Name != \"full-1\" {\n"},
			{"node.go", "if head.Height == 0 {", "if head.Height == 0 || n.cfg.Name == \"full-1\" {"},
		},
		by: []string{"block_propagation", "connectivity"},
	},
	{
		name: "one-node-delivers-nothing", area: "relay",
		bug: "full-1 announces blocks and transactions and does not send them", like: "Bitcoin: peers that stall compact block requests",
		edits: []edit{{"relay.go", "\tcost := len(m.Hashes)\n", "\tif n.cfg.Name == \"full-1\" {\n\t\treturn\n\t}\n\tcost := len(m.Hashes)\n"}},
		by:    []string{"block_propagation", "connectivity", "inclusion"},
	},
	{
		name: "blocks-by-history-only", area: "relay",
		bug: "blocks spread by requests for history every 3 s alone", like: "Ethereum's header sync as the only path when gossip fails",
		edits: []edit{
			{"blocks.go", "\tif !from.synced {\n", "\tif !from.synced && from.peer == nil && !from.made {\n"},
			{"sync.go", "\tn.relay(wire.ItemBlock, h, &wire.Block{Block: head}, from, func(p *peer) bool { return p.head == h })\n", "\t_ = h\n"},
			{"relay.go", "\t\tn.reviewSync()\n\t\treturn true\n\t}\n\treturn false\n}", "\t\tn.reviewSync()\n\t\treturn true\n\t}\n\tp.ahead = true\n\tn.reviewSync()\n\treturn true\n}"},
			{"node.go", "announceInterval = 5 * time.Second", "announceInterval = 3 * time.Second"},
		},
		by: []string{"block_propagation"},
	},
	{
		name: "relay-to-one-peer", area: "relay",
		bug: "a block is relayed to one peer alone", like: "a return in the place of a continue",
		edits: []edit{{"relay.go", "\t\tn.markKnown(p, &h)\n\t}\n}\n\n// markKnown", "\t\tn.markKnown(p, &h)\n\t\tbreak\n\t}\n}\n\n// markKnown"}},
		by:    []string{"block_propagation", "connectivity"},
	},
	{
		name: "requested-from-everybody", area: "relay",
		bug: "an item is requested from every peer that announces it", like: "Ethereum eth/63: duplicated bodies",
		edits: []edit{{
			"relay/requests.go", "q.others = append(q.others, a.Peer)\n\t\t}\n\t\treturn false", "q.others = append(q.others, a.Peer)\n\t\t}\n\t\treturn true",
		}},
		by: []string{"block_propagation", "connectivity"},
	},
	{
		name: "block-applied-twice", area: "relay",
		bug: "every block is logged as accepted twice", like: "head events that are fired twice",
		edits: []edit{{
			"blocks.go", "\tif added.NewHead {\n\t\tn.event(",
			"\tn.event(Event{\n\t\tKind: EventBlock, Hash: &h, Parent: &b.Parent, Height: b.Height, Peer: from.peerID(), Made: from.made, Sync: from.synced,\n\t})\n\tif added.NewHead {\n\t\tn.event(",
		}},
		by: []string{"block_propagation", "connectivity", "consistency"},
	},
	{
		name: "echo", area: "relay",
		bug: "items are announced to peers that have them already", like: "inv floods: Bitcoin before setInventoryKnown",
		edits:    []edit{{"relay.go", "if p == from || !p.live() || skip != nil && skip(p) || n.strategy.Tracks && p.known.Has(&h) {", "if !p.live() || skip != nil && skip(p) {"}},
		by:       []string{"connectivity"},
		survives: "announcements are counted neither in the API's status nor in the trace, and cost 32 bytes each",
	},

	// Catching up.
	{
		name: "sync-never", area: "sync",
		bug: "a node that is behind requests nothing", like: "stalled sync: Geth waiting for a pivot",
		edits: []edit{{"sync.go", "if n.sync.peer != nil {\n\t\treturn\n\t}\n\tours", "if n.sync.peer != nil || n.running {\n\t\treturn\n\t}\n\tours"}},
		by:    []string{"convergence", "agreement"},
	},
	{
		name: "sync-off-by-one", area: "sync",
		bug: "an answer to a request for history leaves out the first block", like: "inclusive and exclusive ranges",
		edits: []edit{{"chain/tree.go", "rest := t.canonical[e.block.Height+1:]", "rest := t.canonical[min(int(e.block.Height)+2, len(t.canonical)):]"}},
		by:    []string{"convergence", "agreement"},
	},
	{
		name: "sync-locator-head-only", area: "sync",
		bug: "a request for history names the head alone, which the other branch does not have", like: "locators without steps",
		edits: []edit{{"chain/tree.go", "return append(hashes, t.Genesis().Hash())", "if len(hashes) > 0 {\n\t\treturn hashes[:1]\n\t}\n\treturn append(hashes, t.Genesis().Hash())"}},
		by:    []string{"convergence", "agreement"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "sync-not-resumed", area: "sync",
		bug: "a sync whose peer disconnects is never taken up again", like: "Cosmos and Ethereum: sync stuck on a dead peer",
		edits: []edit{
			{"sync.go", "if n.sync.peer == p && n.running {", "if n.sync.peer == p && !n.running {"},
			{"sync.go", "if p == nil || n.now < n.sync.deadline {", "if p == nil || n.now < n.sync.deadline || p.closing != \"\" || n.byID[p.id] != p {"},
		},
		by:       []string{"convergence"},
		survives: "the next connection or announcement begins another sync within seconds",
	},
	{
		name: "orphans-dropped", area: "orphans",
		bug: "a block without a known parent is dropped and its parent not requested", like: "Bitcoin before orphan blocks were kept",
		edits:    []edit{{"blocks.go", "n.orphans.add(b, from.id)", "if from.peer != nil {\n\t\treturn\n\t}\n\tn.orphans.add(b, from.id)"}},
		by:       []string{"convergence", "block_propagation"},
		survives: "the handshake and the announcement of heads start the same sync: no block is missed",
	},
	{
		name: "orphan-sender-banned", area: "bans",
		bug: "a peer that sends a block without a known parent is banned", like: "Bitcoin CVE-2013-5700 and DoS scores: honest peers banned",
		edits: []edit{{"blocks.go", "n.orphans.add(b, from.id)", "if h := b.Hash(); !h.IsZero() {\n\t\tn.misbehaved(from.peer, &h, \"orphan block\")\n\t\treturn\n\t}\n\tn.orphans.add(b, from.id)"}},
		by:    []string{"connectivity", "block_propagation", "convergence"},
	},

	// Peers.
	{
		name: "lost-peer-not-redialled", area: "peers",
		bug: "a configured peer that was lost is not dialled again for an hour", like: "back-off without a bound",
		edits: []edit{{"peers/dialer.go", "t.up, t.at = false, now\n\tif lasted < minUptime {", "t.up, t.at = false, now+int64(time.Hour)\n\tif lasted < 0 {"}},
		by:    []string{"connectivity", "convergence"},
	},
	{
		name: "ping-timeout-too-short", area: "peers",
		bug: "a peer that is silent for a second is disconnected", like: "keep-alive intervals longer than the peer's time-out",
		edits: []edit{{"node.go", "pingTimeout  = 6 * time.Second", "pingTimeout  = 1 * time.Second"}},
		by:    []string{"connectivity", "block_propagation"},
	},
	{
		name: "dead-peers-not-noticed", area: "peers",
		bug: "a silent peer is never disconnected", like: "half-open connections without keep-alive",
		edits:    []edit{{"node.go", "case idle >= pingTimeout:", "case idle >= pingTimeout && p.id == n.id:"}},
		by:       []string{"connectivity", "convergence"},
		survives: "TCP's own retransmissions bring the connections back within the bounds",
	},
	{
		name: "two-peers-at-most", area: "peers",
		bug: "from height 5 on, a node refuses inbound connections beyond its second peer", like: "max_peers read from the wrong key",
		edits: []edit{{"peers.go", "if !outbound && n.connections() >= n.cfg.MaxPeers {", "if !outbound && n.connections() >= 2 && n.tree.Head().Height > 5 {"}},
		by:    []string{"connectivity", "block_propagation", "convergence"},
	},
	{
		name: "false-work-in-hello", area: "peers",
		bug: "full-1 claims more work than it has when a peer connects", like: "Ethereum: total difficulty claimed in the status message",
		edits:    []edit{{"peers.go", "Work: n.tree.HeadWork(), Addr: n.cfg.Advertise,", "Work: map[bool]chain.Work{true: {0: 1}, false: n.tree.HeadWork()}[n.cfg.Name == \"full-1\"], Addr: n.cfg.Advertise,"}},
		by:       []string{"connectivity", "consistency"},
		survives: "the claim costs its peers one request for blocks and is then dropped: nothing comes of it",
	},
	{
		name: "transactions-tampered-with", area: "peers",
		bug: "full-1 passes transactions on with a changed amount", like: "malleability: MtGox 2014",
		edits: []edit{{
			"txs.go", "\t\tn.relay(wire.ItemTx, id, m, p, nil)\n",
			"\t\tif n.cfg.Name == \"full-1\" {\n\t\t\ttx := m.Tx\n\t\t\ttx.Amount++\n\t\t\tm = wire.NewTx(tx)\n\t\t\tfor _, q := range n.peers {\n\t\t\t\tn.push(q, m)\n\t\t\t}\n\t\t\treturn\n\t\t}\n\t\tn.relay(wire.ItemTx, id, m, p, nil)\n",
		}},
		by: []string{"connectivity"},
	},

	// Storage and restarts.
	{
		name: "restart-loses-five-blocks", area: "storage",
		bug: "the last five blocks are lost at a restart", like: "caches that are not flushed: Geth after a crash",
		edits: []edit{{"node.go", "err = n.load(stored)\n", "err = n.load(stored[:max(0, len(stored)-5)])\n"}},
		by:    []string{"durability"}, in: []string{"crash-restart"},
	},
	{
		name: "restart-from-genesis", area: "storage",
		bug: "the store is ignored at a restart", like: "a data directory that is not mounted",
		edits: []edit{{"node.go", "err = n.load(stored)\n", "err = n.load(nil)\n"}},
		by:    []string{"durability"}, in: []string{"crash-restart"},
	},
	{
		name: "restart-on-another-branch", area: "storage",
		bug: "after a restart the head is the parent of the stored head", like: "off by one in the head pointer",
		edits: []edit{{"node.go", "err = n.load(stored)\n", "err = n.load(stored[:max(0, len(stored)-1)])\n"}},
		by:    []string{"durability"}, in: []string{"crash-restart"},
	},
	{
		name: "synced-blocks-not-stored", area: "storage",
		bug: "blocks that came while catching up are not stored", like: "two write paths, one without a sync",
		edits: []edit{{
			"blocks.go", "n.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})",
			"if !from.synced {\n\t\tn.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})\n\t}",
		}},
		by: []string{"durability", "no_crash"}, in: []string{"testnets/regressions/restart-after-forks.yaml"},
	},
	{
		name: "side-blocks-not-stored", area: "storage",
		bug: "only blocks that become the head are stored", like: "side chains kept in memory alone",
		edits: []edit{{
			"blocks.go", "n.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})",
			"if added.NewHead {\n\t\tn.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})\n\t}",
		}},
		by: []string{"durability", "no_crash"}, in: []string{"testnets/regressions/restart-after-forks.yaml"},
	},
	{
		name: "made-blocks-not-stored", area: "storage",
		bug: "a miner does not store the blocks that it makes", like: "blocks announced before they are durable",
		edits: []edit{{
			"blocks.go", "n.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})",
			"if !from.made {\n\t\tn.fx = append(n.fx, Effect{Kind: EffectPersist, Block: b})\n\t}",
		}},
		by: []string{"durability", "no_crash"}, in: []string{"testnets/regressions/restart-after-forks.yaml"},
	},

	// What a node says of itself.
	{
		name: "status-frozen", area: "reporting",
		bug: "the status and the chain of full-1's API stop at height 10 while its log goes on", like: "a database that fails while the network layer runs on",
		edits: []edit{
			{"query.go", "Head: n.tree.Head().Hash(), Height: n.tree.Head().Height, Work:", "Head: n.reported().Hash(), Height: n.reported().Height, Work:"},
			{"query.go", "(*chain.Block, bool) { return n.tree.AtHeight(h) }", "(*chain.Block, bool) { return n.tree.AtHeight(h) }\n\nfunc (n *Node) reported() *chain.Block {\n\tif b, ok := n.tree.AtHeight(10); ok && n.cfg.Name == \"full-1\" {\n\t\treturn b\n\t}\n\treturn n.tree.Head()\n}"},
		},
		by: []string{"consistency"},
	},
	{
		name: "log-claims-heads", area: "reporting",
		bug: "the log of full-1 reports every block as its new head while its chain stands at height 10", like: "head events before the block is committed",
		edits: []edit{
			{"chain/tree.go", "recent    ring[*treeEntry] // the last keepStates entries", "recent    ring[*treeEntry]\n\tStays bool"},
			{"chain/tree.go", "if e.work.Cmp(old.work) <= 0 {", "if e.work.Cmp(old.work) <= 0 || t.Stays && old.block.Height >= 10 {"},
			{"node.go", "n.genesis = n.tree.Genesis().Hash()", "n.genesis = n.tree.Genesis().Hash()\n\tn.tree.Stays = cfg.Name == \"full-1\""},
			{"blocks.go", "\tif added.NewHead {\n\t\tn.event(", "\tif !added.NewHead && n.cfg.Name == \"full-1\" {\n\t\tn.event(Event{Kind: EventHead, Hash: &h, Height: b.Height, Old: &b.Parent})\n\t}\n\tif added.NewHead {\n\t\tn.event("},
		},
		by: []string{"consistency"},
	},
	{
		name: "status-height-ahead", area: "reporting",
		bug: "full-1's status claims a height three above its head", like: "status lies to look synced",
		edits: []edit{{"query.go", "Height: n.tree.Head().Height, Work:", "Height: n.tree.Head().Height + map[bool]chain.Height{true: 3}[n.cfg.Name == \"full-1\"], Work:"}},
		by:    []string{"consistency"},
	},
	{
		name: "status-peers-constant", area: "reporting",
		bug: "every status claims four peers", like: "a gauge that is set once",
		edits: []edit{{"query.go", "Peers: n.countPeers((*peer).live), Counters", "Peers: 4, Counters"}},
		by:    []string{"consistency", "connectivity"},
	},
	{
		name: "log-silent", area: "reporting",
		bug: "full-1 does not log its heads after height 5", like: "a full disk under the log",
		edits: []edit{{"blocks.go", "\tif added.NewHead {\n\t\tn.event(", "\tif added.NewHead && (n.cfg.Name != \"full-1\" || b.Height <= 5) {\n\t\tn.event("}},
		by:    []string{"consistency", "convergence"},
	},
	{
		name: "reorg-not-logged", area: "reporting",
		bug: "the log says that no block was dropped in a reorganisation", like: "reorg metrics that are always 0",
		edits: []edit{{"blocks.go", "Dropped: len(added.Dropped)})", "Dropped: 0})"}},
		by:    []string{"consistency"}, in: []string{"split-brain", "isolated-miner"},
	},
	{
		name: "others-blocks-claimed", area: "reporting",
		bug: "full-1's log claims that it made every block", like: "statistics pages that credit the wrong miner",
		edits: []edit{{"blocks.go", "Made: from.made,", "Made: from.made || n.cfg.Name == \"full-1\","}},
		by:    []string{"consistency", "block_propagation"},
	},
	{
		name: "all-blocks-logged-as-synced", area: "reporting",
		bug: "every block is logged as having come with history, which hides its delay", like: "a flag that is never reset",
		edits: []edit{{"blocks.go", "Sync: from.synced,", "Sync: !from.made,"}},
		by:    []string{"consistency", "block_propagation"},
	},
	{
		name: "peer-loss-not-logged", area: "reporting",
		bug: "lost peers are not logged", like: "disconnects without a log line",
		edits: []edit{{"peers.go", "\tif p.up {\n\t\tn.event(Event{Kind: EventPeerDown", "\tif p.up && p.id == n.id {\n\t\tn.event(Event{Kind: EventPeerDown"}},
		by:    []string{"consistency", "connectivity"},
	},
	{
		name: "sent-counted-twice", area: "reporting",
		bug: "every message sent is counted twice", like: "metrics in two layers",
		edits: []edit{{"relay.go", "n.counters.Sent++", "n.counters.Sent += 2"}},
		by:    []string{"consistency", "connectivity"},
	},
	{
		name: "api-height-off-by-one", area: "reporting",
		bug: "the API's block at a height is the one below", like: "heights that count genesis",
		edits: []edit{{"query.go", "(*chain.Block, bool) { return n.tree.AtHeight(h) }", "(*chain.Block, bool) { return n.tree.AtHeight(max(h, 1) - 1) }"}},
		by:    []string{"consistency"},
	},
}
