package cli

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/node/chain"
)

func walletCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "wallet",
		Usage: "create key pairs",
		Subcommands: []*ucli.Command{{
			Name:        "new",
			Usage:       "make a key and print its address",
			Description: "The key is written to FILE, which must not exist yet and which only you can read.",
			ArgsUsage:   "FILE",
			Flags:       []ucli.Flag{jsonFlag()},
			Action:      func(c *ucli.Context) error { return newWallet(c.Args().First(), e.output(c)) },
		}},
	}
}

// wallet is the content of a wallet file.
type wallet struct {
	Address chain.Address `json:"address"`
	Seed    string        `json:"seed"` // ed25519 seed in hex: the secret
}

func newWallet(path string, out output) error {
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return err
	}
	w := wallet{Seed: hex.EncodeToString(seed[:])}
	key, err := chain.KeyFromSeed(w.Seed)
	if err != nil {
		return err
	}
	w.Address = key.Address()
	if err := w.save(path); err != nil {
		return usageError(err)
	}
	return out.table(map[string]string{"address": w.Address.String(), "file": path},
		[]string{"address", "file"}, [][]string{{w.Address.String(), path}})
}

// save writes the wallet to a new file; an existing file is never replaced, since it may be a key.
func (w wallet) save(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make wallet: %w", err)
	}
	if err := json.NewEncoder(f).Encode(w); err != nil {
		f.Close()
		return fmt.Errorf("write wallet: %w", err)
	}
	return f.Close()
}

// loadWallet reads a wallet file and returns its key.
func loadWallet(path string) (chain.Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return chain.Key{}, fmt.Errorf("read wallet: %w", err)
	}
	var w wallet
	if err := json.Unmarshal(text, &w); err != nil {
		return chain.Key{}, fmt.Errorf("read wallet %s: %w", path, err)
	}
	key, err := chain.KeyFromSeed(w.Seed)
	if err != nil {
		return chain.Key{}, fmt.Errorf("read wallet %s: %w", path, err)
	}
	return key, nil
}
