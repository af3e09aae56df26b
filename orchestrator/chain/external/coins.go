package external

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/btcsuite/btcd/txscript"
	"github.com/btcsuite/btcd/wire"

	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// coin is an output of a transaction that nobody has spent.
type coin struct {
	at     wire.OutPoint
	amount uint64 // in the least unit
}

// spent is a transfer that the node accepted, and the coin that it spends.
type spent struct {
	tx string // in hex, as it was submitted
	of wire.OutPoint
}

// maxSpent is how many transfers of a node are remembered: more than those that can be on no chain yet.
const maxSpent = 50

// ErrNoCoins is wrapped by the error of a transfer from a node that has no coin which is large enough.
var ErrNoCoins = errors.New("the node has no coin for it")

// spend submits a transfer that spends one of the node's coins. A node that refuses a coin may have lost the transfer that made
// it, with its memory: it gets the latest transfers once more, as wallets do. Where it still refuses, somebody else may have spent
// the coin since it was listed: the list is read again.
func (s *sender) spend(ctx context.Context, to *member, amount uint64, extra map[string]any) (trace.Hash, error) {
	if _, err := s.resubmit(ctx, extra); err != nil {
		return "", err
	}
	for again := false; ; {
		fresh := len(s.coins) == 0
		if fresh {
			var err error
			if s.coins, err = s.unspent(ctx); err != nil {
				return "", err
			}
		}
		id, err := s.spendOne(ctx, to, amount, extra)
		if err == nil {
			return id, nil
		}
		var refused *RPCError
		switch isRefused := errors.As(err, &refused); {
		case isRefused && !again:
			again, s.again = true, slices.Clone(s.spent)
			accepted, err := s.resubmit(ctx, extra)
			if err != nil {
				return "", err
			}
			if accepted > 0 {
				continue
			}
			fallthrough
		case isRefused || errors.Is(err, ErrNoCoins):
			if s.coins = nil; fresh {
				return "", err
			}
		default:
			s.coins = nil
			return "", err
		}
	}
}

// resubmit gives the node again the transfers that it is to get, and returns how many it accepted: those that it did not have. After
// an error the next call goes on.
func (s *sender) resubmit(ctx context.Context, extra map[string]any) (accepted int, err error) {
	extra = maps.Clone(extra)
	for ; len(s.again) > 0; s.again = s.again[1:] {
		extra["Tx"] = s.again[0].tx
		var refused *RPCError
		switch _, err := s.submit(ctx, extra); {
		case err == nil:
			accepted++
		case !errors.As(err, &refused):
			return accepted, err
		}
	}
	return accepted, nil
}

// spendOne spends the first of the coins that a node is known to have and that is large enough. What is left of it
// becomes the node's last coin.
func (s *sender) spendOne(ctx context.Context, to *member, amount uint64, extra map[string]any) (trace.Hash, error) {
	how := s.file.Act.Coins
	need := amount + uint64(how.Fee)
	i := slices.IndexFunc(s.coins, func(x coin) bool { return x.amount >= need })
	if need < amount || i < 0 {
		return "", fmt.Errorf("%s: node %s, a transfer of %d with a fee of %d: %w (it has %d coins)",
			at(s.file, how.Pos), s.member.ID, amount, how.Fee, ErrNoCoins, len(s.coins))
	}
	from := s.coins[i]
	tx, err := pay(s.member.key(how.Key), to.key(how.Key), from, amount, uint64(how.Fee))
	if err != nil {
		return "", err
	}
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		return "", fmt.Errorf("encode a transaction: %w", err)
	}
	extra["Tx"] = hex.EncodeToString(raw.Bytes())
	id, err := s.submit(ctx, extra)
	if err != nil {
		return "", err
	}
	s.coins = slices.Delete(s.coins, i, i+1)
	s.spent = append(s.spent[max(0, len(s.spent)+1-maxSpent):], spent{extra["Tx"].(string), from.at})
	if left := from.amount - need; left > 0 {
		s.coins = append(s.coins, coin{wire.OutPoint{Hash: tx.TxHash(), Index: 1}, left})
	}
	return id, nil
}

// unspent reads what the node's account can spend.
func (s *sender) unspent(ctx context.Context) ([]coin, error) {
	how := s.file.Act.Coins
	const what = "act.coins"
	own, err := script(s.member.key(how.Key))
	if err != nil {
		return nil, err
	}
	result, answer, err := s.read(ctx, s.member, what, chainspec.Observation{Calls: how.Calls, JQ: how.JQ})
	if err != nil {
		return nil, err
	}
	list, ok := result.([]any)
	if !ok {
		return nil, s.unexpected(s.member, what, how.JQ, result, answer, "a list of coins")
	}
	out := []coin{}
	for _, v := range list {
		one, pays, ok := readCoin(v)
		if !ok {
			return nil, s.unexpected(s.member, what, how.JQ, v, answer, "a coin: {id: hex, output: number, amount: number, script: hex}")
		}
		// A coin that a transfer spends which others may have is not spent twice: one of the two would be lost.
		if bytes.Equal(pays, own) && !slices.ContainsFunc(s.spent, func(x spent) bool { return x.of == one.at }) {
			out = append(out, one)
		}
	}
	return out, nil
}

// readCoin reads a coin and the script that can spend it.
func readCoin(v any) (x coin, pays []byte, ok bool) {
	m, _ := v.(map[string]any)
	id, _ := m["id"].(string)
	hash, err := chainhash.NewHashFromStr(strings.TrimPrefix(id, "0x"))
	output, isNumber := whole(m["output"])
	amount, isAmount := whole(m["amount"])
	text, isText := m["script"].(string)
	pays, scriptErr := hex.DecodeString(text)
	if err != nil || len(id) < 2*chainhash.HashSize || !isText || scriptErr != nil || !isNumber || output > math.MaxUint32 || !isAmount {
		return x, nil, false
	}
	return coin{wire.OutPoint{Hash: *hash, Index: uint32(output)}, amount}, pays, true
}

// pay makes a signed transaction that spends a coin: its output 0 pays the receiver, output 1 gives back what is left, if
// anything is. The coin must hold amount and fee.
func pay(from, to Key, spent coin, amount, fee uint64) (*wire.MsgTx, error) {
	own, err := script(from)
	if err != nil {
		return nil, err
	}
	theirs, err := script(to)
	if err != nil {
		return nil, err
	}
	if spent.amount > math.MaxInt64 {
		return nil, fmt.Errorf("a coin of %d", spent.amount)
	}
	tx := wire.NewMsgTx(wire.TxVersion)
	tx.AddTxIn(wire.NewTxIn(&spent.at, nil, nil))
	tx.AddTxOut(wire.NewTxOut(int64(amount), theirs))
	if left := spent.amount - amount - fee; left > 0 {
		tx.AddTxOut(wire.NewTxOut(int64(left), own))
	}
	private, _ := btcec.PrivKeyFromBytes(from.Private)
	if tx.TxIn[0].SignatureScript, err = txscript.SignatureScript(tx, 0, own, txscript.SigHashAll, private, true); err != nil {
		return nil, fmt.Errorf("sign a transaction: %w", err)
	}
	return tx, nil
}

// script is what pays a key by the hash of its public half.
func script(k Key) ([]byte, error) {
	hash, err := k.hash160()
	if err != nil {
		return nil, err
	}
	return txscript.NewScriptBuilder().AddOp(txscript.OP_DUP).AddOp(txscript.OP_HASH160).AddData(hash).
		AddOp(txscript.OP_EQUALVERIFY).AddOp(txscript.OP_CHECKSIG).Script()
}
