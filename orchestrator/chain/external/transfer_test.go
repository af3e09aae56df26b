package external

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/btcsuite/btcd/txscript"
	"github.com/btcsuite/btcd/wire"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

func TestSender_Transfer(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain))
	client := w.Client("a")
	for i, want := range []trace.Hash{"0xT1", "0xT2"} {
		id, err := client.Transfer(t.Context(), "b", 50)
		if err != nil || id != want {
			t.Errorf("transfer %d: %s, %v", i, id, err)
		}
	}
	w.fakes[0].hook = func(y *fakeNode, _ string, _ int) *RPCError {
		y.hook = nil
		return &RPCError{Code: 1, Message: "full"}
	}
	must.Fail(t, "submit a transaction: node a, call send")(client.Transfer(t.Context(), "b", 50))
	if _, err := client.Transfer(t.Context(), "b", 60); err != nil {
		t.Error(err)
	}
	// A refused transaction does not use up a nonce.
	if want := []string{"a b 50 0", "a b 50 1", "a b 60 2"}; !slices.Equal(w.fakes[0].sent, want) {
		t.Errorf("sent %q", w.fakes[0].sent)
	}
	must.Fail(t, "has no node nobody")(client.Transfer(t.Context(), "nobody", 1))
	must.Fail(t, "has no node nobody")(w.Client("nobody").Transfer(t.Context(), "a", 1))
}

func TestSender_TransferErrors(t *testing.T) {
	const submit = "  submit: {call: send, jq: .id}\n  tx: \"{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}\"\n"
	for want, replace := range map[string][]string{
		"gives 5, which is not a transaction's id": {"jq: .id", "jq: '5'"},
		"observe":                       {"jq: .id", "jq: 'error(\"observe\")'"},
		"index out of range":            {"{{.From.Name}}", "{{(index .Nodes 9).Name}}"},
		"the chain does not say how to": {submit, "", `"{{.Tx}}"`, `x`},
	} {
		w := newHarness(t, 2, parse(t, plain, replace...))
		_, err := w.Client("a").Transfer(t.Context(), "b", 1)
		must.Fail(t, want)(err)
		if none := replace[0] == submit; none != errors.Is(err, ErrNoSubmit) {
			t.Errorf("%v", err)
		}
	}
}

// TestSender_IDWithoutExpression: the id is normalised like hashes in blocks.
func TestSender_IDWithoutExpression(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain, "{call: send, jq: .id}", "{call: head}"))
	w.fakes[0].set(1, "p")
	if id, err := w.Client("a").Transfer(t.Context(), "b", 1); err != nil || id != "x-p" {
		t.Errorf("%s, %v", id, err)
	}
}

// coined is plain with transactions that spend coins.
func coined(t *testing.T, coins string) *chainspec.Chain {
	return parse(t, plain, `tx: "{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}"`, "coins: {key: account, call: coins, jq: "+coins+", fee: 10}",
		"calls:\n", "calls:\n  coins: {method: coins}\n")
}

// listed is a coin as jq gives it.
func listed(w *harness, owner string, id byte, amount int) string {
	own, err := script(w.nodes["a"].member.key("account"))
	if owner != "a" {
		own = []byte{txscript.OP_RETURN}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf(`{"id": "%064x", "output": %d, "amount": %d, "script": "%x"}`, id, id, amount, own)
}

// TestSender_SpendsCoins: a node's coins are spent in turn and what is left of each is its last one, in transactions that
// Bitcoin's own rules take; the coins are read once.
func TestSender_SpendsCoins(t *testing.T) {
	w := newHarness(t, 2, coined(t, "."))
	w.fakes[0].coins = []string{listed(w, "b", 9, 1000), listed(w, "a", 1, 100), listed(w, "a", 2, 60)}
	has := map[wire.OutPoint]int64{}
	for i := range 2 {
		has[wire.OutPoint{Hash: [32]byte{byte(i + 1)}, Index: uint32(i + 1)}] = []int64{100, 60}[i]
	}
	own := must.Get(script(w.nodes["a"].member.key("account")))(t)
	var outs [][]int64
	for range 4 { // 100, 60, then what is left of the first: 70, and of the third: 40
		must.Get(w.Client("a").Transfer(t.Context(), "b", 20))(t)
		raw := must.Get(hex.DecodeString(w.fakes[0].sent[len(w.fakes[0].sent)-1]))(t)
		var tx wire.MsgTx
		must.Do(t, tx.Deserialize(bytes.NewReader(raw)))
		in := tx.TxIn[0].PreviousOutPoint
		amount, ok := has[in]
		if !ok {
			t.Fatalf("it spends %v, which is not there", in)
		}
		delete(has, in)
		vm := must.Get(txscript.NewEngine(own, &tx, 0, txscript.StandardVerifyFlags, nil, nil, amount, nil))(t)
		must.Check(t, vm.Execute())
		values := []int64{amount}
		for i, out := range tx.TxOut {
			values = append(values, out.Value)
			if i == 1 {
				has[wire.OutPoint{Hash: tx.TxHash(), Index: 1}] = out.Value
			}
		}
		outs = append(outs, values)
	}
	must.Equal(t, [][]int64{{100, 20, 70}, {60, 20, 30}, {70, 20, 40}, {30, 20}}, outs)
	if n := w.fakes[0].count("coins"); n != 1 {
		t.Errorf("read coins %d times", n)
	}
}

// TestSender_ReadsCoinsAgain when somebody else spent them, and no more than once.
func TestSender_ReadsCoinsAgain(t *testing.T) {
	w := newHarness(t, 2, coined(t, "."))
	y := w.fakes[0]
	y.coins = []string{listed(w, "a", 1, 100), listed(w, "a", 2, 100)}
	refused := 0
	y.hook = func(_ *fakeNode, method string, _ int) *RPCError {
		if method == "send" && refused > 0 {
			refused--
			return &RPCError{Code: -26, Message: "already spent"}
		}
		return nil
	}
	pay := func() error {
		_, err := w.Client("a").Transfer(t.Context(), "b", 20)
		return err
	}
	must.Do(t, pay())
	refused = 2 // the second coin, and the first transfer once more
	if err := pay(); err != nil || y.count("coins") != 2 {
		t.Errorf("%v", err)
	}
	y.coins = []string{listed(w, "a", 7, 100)}
	refused = 5 // what is left of the second coin, both transfers once more, and the coin that is listed
	if err := pay(); err == nil || !strings.Contains(err.Error(), "already spent") || y.count("coins") != 1 {
		t.Errorf("%v", err)
	}
	refused = 0
	y.coins = []string{listed(w, "a", 3, 25), listed(w, "b", 4, 100)}
	if err := pay(); !errors.Is(err, ErrNoCoins) || !strings.Contains(err.Error(), "toy.yaml:25:3: node a, a transfer of 20 with a fee of 10: ") {
		t.Errorf("%v", err)
	}
	y.coins = append(y.coins, listed(w, "a", 5, 30))
	must.Check(t, pay())
	// What is known is too small: they are read again.
	y.coins = []string{listed(w, "a", 6, 1030)}
	if _, err := w.Client("a").Transfer(t.Context(), "b", 1000); err != nil {
		t.Error(err)
	}
	must.Fail(t, ErrNoCoins)(w.Client("a").Transfer(t.Context(), "b", 1<<64-5))
}

// TestSender_SubmitsAgain: a node that lost its mempool gets the latest transfers again, in order, and no coin is spent twice.
func TestSender_SubmitsAgain(t *testing.T) {
	w := newHarness(t, 2, coined(t, "."))
	y := w.fakes[0]
	y.coins = []string{listed(w, "a", 1, 1000)}
	pay := func() error {
		_, err := w.Client("a").Transfer(t.Context(), "b", 20)
		return err
	}
	must.Check(t, pay())
	must.Check(t, pay())
	lost := true
	y.hook = func(_ *fakeNode, method string, _ int) *RPCError {
		if refuse := method == "send" && lost; refuse {
			lost = false
			return &RPCError{Code: -25, Message: "orphan transaction"}
		}
		return nil
	}
	must.Check(t, pay())
	if n := len(y.sent); n != 5 || y.sent[2] != y.sent[0] || y.sent[3] != y.sent[1] || y.sent[4] == y.sent[1] {
		t.Errorf("sent %q", y.sent)
	}
	if n := y.count("coins"); n != 1 {
		t.Errorf("read coins %d times", n)
	}
	// A node that does not answer gets the rest later.
	sent := len(y.sent)
	ctx, hang := context.WithCancel(t.Context())
	y.hook = func(y *fakeNode, method string, _ int) *RPCError {
		switch {
		case method == "send" && len(y.sent) == sent && !lost:
			lost = true
			return &RPCError{Code: -25, Message: "orphan transaction"}
		case method == "send" && len(y.sent) == sent+1:
			hang()
			return &RPCError{Code: -1, Message: "too late"}
		}
		return nil
	}
	must.Fail(t, context.Canceled)(w.Client("a").Transfer(ctx, "b", 20))
	y.hook = nil
	must.Check(t, pay())
	again := y.sent[sent:]
	if n := len(again); n < 3 || again[0] != y.sent[0] || again[n-2] != y.sent[4] || again[n-1] == y.sent[4] || n > 4 {
		t.Errorf("sent %q", again)
	}
	// A coin that was spent is left alone, even where the node does not know of that.
	y.hook = func(_ *fakeNode, method string, _ int) *RPCError {
		if method == "send" {
			return &RPCError{Code: -25, Message: "orphan transaction"}
		}
		return nil
	}
	must.Fail(t, ErrNoCoins)(w.Client("a").Transfer(t.Context(), "b", 20))
	y.hook = nil
	for range 2 * maxSpent {
		y.coins = []string{listed(w, "a", 2, 1<<30)}
		must.Check(t, pay())
	}
	if n := len(w.nodes["a"].sender.spent); n != maxSpent {
		t.Errorf("remembers %d transfers", n)
	}
}

// TestSender_CoinErrors: what a jq gives is not taken for coins unless it is.
func TestSender_CoinErrors(t *testing.T) {
	for _, jq := range []string{
		".[0]", "[1]", "map(del(.id))", "map(.id |= .[1:])", "map(.id |= \"zz\" + .[2:])", "map(.output = -1)", "map(.output = 5000000000)",
		"map(.amount = 1.5)", "map(.amount = null)", "map(.script = 5)", "map(.script = \"0\")",
	} {
		w := newHarness(t, 2, coined(t, "'"+jq+"'"))
		w.fakes[0].coins = []string{listed(w, "a", 1, 100)}
		_, err := w.Client("a").Transfer(t.Context(), "b", 20)
		var answer *AnswerError
		if !errors.As(err, &answer) || answer.What != "act.coins" || answer.JQ != jq {
			t.Errorf("%s: %v", jq, err)
		}
	}
}

// TestKey_Bitcoin: addresses and private keys are those that btcutil reads as the same key.
func TestKey_Bitcoin(t *testing.T) {
	k := must.Get(newKey(kindSecp256k1, 7, "a", "account"))(t)
	text := must.Get(k.WIF(int(chaincfg.SimNetParams.PrivateKeyID)))(t)
	wif := must.Get(btcutil.DecodeWIF(text))(t)
	if !wif.IsForNet(&chaincfg.SimNetParams) || !bytes.Equal(wif.PrivKey.Serialize(), k.Private) || !wif.CompressPubKey {
		t.Errorf("%s is another key", text)
	}
	address := must.Get(btcutil.NewAddressPubKeyHash(btcutil.Hash160(wif.SerializePubKey()), &chaincfg.SimNetParams))(t)
	if got, err := k.P2PKH(0x3f); err != nil || got != address.EncodeAddress() {
		t.Errorf("%s, %v, want %s", got, err, address)
	}
	other := must.Get(newKey(kindEd25519, 7, "a", "node"))(t)
	for name, f := range map[string]func() (string, error){
		"P2PKH": func() (string, error) { return other.P2PKH(0) }, "WIF": func() (string, error) { return other.WIF(0) },
		"P2PKH 256": func() (string, error) { return k.P2PKH(256) }, "WIF -1": func() (string, error) { return k.WIF(-1) },
	} {
		if s, err := f(); err == nil {
			t.Errorf("%s: %s", name, s)
		}
	}
}
