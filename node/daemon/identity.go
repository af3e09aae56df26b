package daemon

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	cryptopb "github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/netsplit/netsplit/node/chain"
)

// identity is a node's key as the chain and as libp2p see it.
type identity struct {
	id  chain.PeerID
	key crypto.PrivKey
}

// newIdentity makes the identity of an ed25519 seed in hex. Its errors never show the seed.
func newIdentity(seed string) (identity, error) {
	raw, err := hex.DecodeString(seed)
	if err != nil || len(raw) != ed25519.SeedSize {
		return identity{}, fmt.Errorf("want %d bytes in hex", ed25519.SeedSize)
	}
	private := ed25519.NewKeyFromSeed(raw)
	key, err := crypto.UnmarshalEd25519PrivateKey(private)
	if err != nil {
		return identity{}, fmt.Errorf("make libp2p key: %w", err)
	}
	return identity{id: chain.PeerID(private.Public().(ed25519.PublicKey)), key: key}, nil
}

// libp2pID is the libp2p form of a peer's identity.
func libp2pID(id chain.PeerID) (peer.ID, error) {
	key, err := crypto.UnmarshalEd25519PublicKey(id[:])
	if err != nil {
		return "", fmt.Errorf("peer %x: %w", id, err)
	}
	p, err := peer.IDFromPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("peer %x: %w", id, err)
	}
	return p, nil
}

var errKeyType = errors.New("peer's key is not ed25519")

// chainID is the chain's form of the public key that a peer proved to have.
func chainID(key crypto.PubKey) (chain.PeerID, error) {
	if key == nil || key.Type() != cryptopb.KeyType_Ed25519 {
		return chain.PeerID{}, errKeyType
	}
	raw, err := key.Raw()
	if err != nil {
		return chain.PeerID{}, fmt.Errorf("read peer's key: %w", err)
	}
	if len(raw) != len(chain.PeerID{}) {
		return chain.PeerID{}, errKeyType
	}
	return chain.PeerID(raw), nil
}
