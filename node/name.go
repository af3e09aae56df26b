package node

// Name is the node's name in the testnet.
func (n *Node) Name() string { return n.cfg.Name }

// Network is the name of the testnet that the node belongs to.
func (n *Node) Network() string { return n.cfg.Genesis.Network }
