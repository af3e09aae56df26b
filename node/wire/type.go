package wire

// Type implements Message.
func (*Hello) Type() Type { return TypeHello }

// Type implements Message.
func (*Ping) Type() Type { return TypePing }

// Type implements Message.
func (*Pong) Type() Type { return TypePong }

// Type implements Message.
func (*Tx) Type() Type { return TypeTx }

// Type implements Message.
func (*Block) Type() Type { return TypeBlock }

// Type implements Message.
func (*Inv) Type() Type { return TypeInv }

// Type implements Message.
func (*Get) Type() Type { return TypeGet }

// Type implements Message.
func (*GetBlocks) Type() Type { return TypeGetBlocks }

// Type implements Message.
func (*Blocks) Type() Type { return TypeBlocks }

// Type implements Message.
func (*Addrs) Type() Type { return TypeAddrs }

// String is the message type's name in lower case.
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return "unknown"
}

var typeNames = [...]string{
	TypeHello: "hello", TypePing: "ping", TypePong: "pong", TypeTx: "tx", TypeBlock: "block", TypeInv: "inv",
	TypeGet: "get", TypeGetBlocks: "get_blocks", TypeBlocks: "blocks", TypeAddrs: "addrs",
}
