// Package wire defines the messages that nodes exchange and their canonical encoding: big-endian, of fixed field widths,
// with every length bounded before anything is allocated. Decode accepts exactly what Encode produces and nothing else.
package wire
