//go:build linux

package nfnl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Builder builds a run of netlink messages in one buffer. Attributes go to the message begun last. The zero Builder is
// ready for use.
type Builder struct {
	buf []byte
	msg int // where the message begun last starts
	seq uint32
}

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() { b.buf, b.msg, b.seq = b.buf[:0], 0, 0 }

// Bytes is the run of messages. It is valid until the builder is used again.
func (b *Builder) Bytes() []byte { return b.buf }

// Len is the length of the run in bytes.
func (b *Builder) Len() int { return len(b.buf) }

// Seq is the sequence number of the message begun last. The first message has 1.
func (b *Builder) Seq() uint32 { return b.seq }

// Begin begins a message: kind is the subsystem shifted left by 8 plus the message's number, family and resource are
// the fields of the nfgenmsg header. NLM_F_REQUEST is added to flags.
func (b *Builder) Begin(kind, flags uint16, family byte, resource uint16) {
	b.msg = len(b.buf)
	b.seq++
	b.buf = binary.NativeEndian.AppendUint32(b.buf, unix.NLMSG_HDRLEN+4)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, flags|unix.NLM_F_REQUEST)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, b.seq)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, 0) // the kernel fills in the port
	b.buf = append(b.buf, family, unix.NFNETLINK_V0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resource)
}

// Flag adds flags to the message begun last.
func (b *Builder) Flag(flags uint16) {
	f := b.buf[b.msg+6:]
	binary.NativeEndian.PutUint16(f, binary.NativeEndian.Uint16(f)|flags)
}

// seal writes the length of the message begun last; every method that adds to it ends with it.
func (b *Builder) seal() {
	binary.NativeEndian.PutUint32(b.buf[b.msg:], uint32(len(b.buf)-b.msg))
}

// Attr adds an attribute. data is at most 65,531 bytes.
func (b *Builder) Attr(kind uint16, data []byte) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(unix.SizeofNlAttr+len(data)))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = append(b.buf, data...)
	for len(b.buf)%unix.NLA_ALIGNTO != 0 {
		b.buf = append(b.buf, 0)
	}
	b.seal()
}

// Raw adds attributes that were encoded elsewhere.
func (b *Builder) Raw(attrs []byte) {
	b.buf = append(b.buf, attrs...)
	b.seal()
}

// String adds a zero-terminated string.
func (b *Builder) String(kind uint16, s string) { b.Attr(kind, append([]byte(s), 0)) }

// Uint32 adds a number in network byte order, as nfnetlink has them.
func (b *Builder) Uint32(kind uint16, v uint32) {
	b.Attr(kind, binary.BigEndian.AppendUint32(nil, v))
}

// Open opens a nested attribute and returns the mark that Close wants. A nested attribute holds at most 65,531 bytes.
func (b *Builder) Open(kind uint16) int {
	mark := len(b.buf)
	b.Attr(kind|unix.NLA_F_NESTED, nil)
	return mark
}

// Close closes the nested attribute that Open opened.
func (b *Builder) Close(mark int) {
	binary.NativeEndian.PutUint16(b.buf[mark:], uint16(len(b.buf)-mark))
	b.seal()
}
