package chainspec

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Wallet is what people need to use the chain of a testnet that stays up. All of it is optional, but not all of it can be
// left out.
type Wallet struct {
	// ChainID is what wallets call the chain. chain_id:
	ChainID *Text
	// Account is the address of an account that the node has. account:
	Account *Text
	// PrivateKey is the account's key as the chain's own tools take it. private_key: with account only.
	PrivateKey *Text
	// Funds says what the account has. funds: with account only.
	Funds *Text
	Pos   strictyaml.Pos
}

// wallet decodes what people need to use the chain. No message shows the private key.
func (d *chainDecoder) wallet(at strictyaml.Pos, n ast.Node) *Wallet {
	w := &Wallet{Pos: at}
	text := func(key string, out **Text) field {
		return field{key, false, func(_ strictyaml.Pos, v ast.Node) {
			t := d.template(v, key)
			*out = &t
		}}
	}
	known := d.Object(n, "wallet", []field{
		text("chain_id", &w.ChainID),
		text("account", &w.Account),
		{"private_key", false, func(_ strictyaml.Pos, v ast.Node) {
			t := d.secret(v, "private_key")
			w.PrivateKey = &t
		}},
		text("funds", &w.Funds),
	})
	const whose = "add account: the address that it belongs to"
	switch {
	case !known:
	case w.ChainID == nil && w.Account == nil && w.PrivateKey == nil && w.Funds == nil:
		d.Failf(strictyaml.NodePos(n), `for example: wallet: {chain_id: "{{.Network}}"}`, "wallet is empty")
	case w.PrivateKey != nil && w.Account == nil:
		d.Failf(w.PrivateKey.Pos, whose, "wallet has a private_key and no account")
	case w.Funds != nil && w.Account == nil:
		d.Failf(w.Funds.Pos, whose, "wallet has funds and no account")
	}
	return w
}

// texts are the wallet's texts that are there.
func (w *Wallet) texts() []Text {
	var out []Text
	for _, t := range []*Text{w.ChainID, w.Account, w.PrivateKey, w.Funds} {
		if t != nil {
			out = append(out, *t)
		}
	}
	return out
}
