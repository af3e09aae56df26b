package daemon

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Bounds of a configuration.
const (
	maxNameLen  = 64
	maxMineRate = 1e9 // attempts per second
	maxMaxPeers = 4096
)

// validate checks every field of a configuration. Errors begin with the field's key and never show the node's key.
func validate(c *node.Config) error {
	if len(c.Name) > maxNameLen || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("name: want at most %d bytes without control characters", maxNameLen)
	}
	if err := c.Genesis.Validate(); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	self, err := newIdentity(c.Key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if math.IsNaN(c.Mine) || c.Mine < 0 || c.Mine > maxMineRate {
		return fmt.Errorf("mine: %v is not in 0..%v attempts per second", c.Mine, maxMineRate)
	}
	if c.Relay != "flood" && c.Relay != "inventory" {
		return fmt.Errorf("relay: %q is neither \"flood\" nor \"inventory\"", c.Relay)
	}
	if c.MaxPeers < 0 || c.MaxPeers > maxMaxPeers {
		return fmt.Errorf("max_peers: %d is not in 0..%d", c.MaxPeers, maxMaxPeers)
	}
	most := c.MaxPeers
	if most == 0 {
		most = node.DefaultMaxPeers
	}
	if c.MinPeers < 0 || c.MinPeers > most {
		return fmt.Errorf("min_peers: %d is not in 0..%d, the most that max_peers allows", c.MinPeers, most)
	}
	if err := validatePeers(c.Peers, self.id); err != nil {
		return err
	}
	return validateHost(c)
}

func validatePeers(peers []node.PeerAddr, self chain.PeerID) error {
	seen := make(map[chain.PeerID]bool, len(peers))
	for i, p := range peers {
		if _, err := libp2pID(p.ID); err != nil || p.ID == (chain.PeerID{}) {
			return fmt.Errorf("peers[%d].id: %s is not a node's identity", i, p.ID)
		}
		if p.ID == self {
			return fmt.Errorf("peers[%d].id: %s is this node itself", i, p.ID)
		}
		if seen[p.ID] {
			return fmt.Errorf("peers[%d].id: %s is listed twice", i, p.ID)
		}
		seen[p.ID] = true
		if err := checkDialable(p.Addr); err != nil {
			return fmt.Errorf("peers[%d].addr: %w", i, err)
		}
	}
	return nil
}

// validateHost checks the fields that concern the daemon alone.
func validateHost(c *node.Config) error {
	if err := checkHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if c.Advertise != "" {
		if err := checkDialable(c.Advertise); err != nil {
			return fmt.Errorf("advertise: %w", err)
		}
		if len(c.Advertise) > wire.MaxAddrLen {
			return fmt.Errorf("advertise: %d bytes, at most %d are allowed", len(c.Advertise), wire.MaxAddrLen)
		}
	}
	if err := checkHostPort(c.API); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	if c.Data == "" {
		return errors.New("data: the directory of the block store is missing")
	}
	return nil
}

// checkHostPort checks HOST:PORT, where port 0 lets the kernel choose and no host means all.
func checkHostPort(addr string) error {
	if addr == "" {
		return errors.New("host:port is missing")
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port: %w", addr, err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: port is not a number in 0..65535", addr)
	}
	return nil
}

// checkDialable checks HOST:PORT of somebody else: both are needed.
func checkDialable(addr string) error {
	if err := checkHostPort(addr); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("%q: host and port are needed", addr)
	}
	return nil
}
