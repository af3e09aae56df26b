package wire

import (
	"bytes"
	"testing"
)

// fuzz decodes messages of one type: what Decode accepts encodes to the same bytes and is within the limits.
func fuzz(f *testing.F, t Type) {
	for _, m := range samples() {
		if m.Type() == t {
			f.Add(Encode(m)[1:])
		}
	}
	f.Fuzz(func(tt *testing.T, body []byte) {
		b := append([]byte{byte(t)}, body...)
		m, err := Decode(b)
		if err != nil {
			return
		}
		if m.Type() != t {
			tt.Fatalf("type %s became %s", t, m.Type())
		}
		if err := Check(m); err != nil {
			tt.Fatalf("decoded, but over the limits: %v", err)
		}
		if Size(m) != len(b) || !bytes.Equal(Encode(m), b) {
			tt.Fatal("not canonical")
		}
	})
}

func FuzzHello(f *testing.F)     { fuzz(f, TypeHello) }
func FuzzPing(f *testing.F)      { fuzz(f, TypePing) }
func FuzzPong(f *testing.F)      { fuzz(f, TypePong) }
func FuzzTx(f *testing.F)        { fuzz(f, TypeTx) }
func FuzzBlock(f *testing.F)     { fuzz(f, TypeBlock) }
func FuzzInv(f *testing.F)       { fuzz(f, TypeInv) }
func FuzzGet(f *testing.F)       { fuzz(f, TypeGet) }
func FuzzGetBlocks(f *testing.F) { fuzz(f, TypeGetBlocks) }
func FuzzBlocks(f *testing.F)    { fuzz(f, TypeBlocks) }
func FuzzAddrs(f *testing.F)     { fuzz(f, TypeAddrs) }

// FuzzDecode decodes messages of any type.
func FuzzDecode(f *testing.F) {
	for _, m := range samples() {
		f.Add(Encode(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Decode(b); err == nil && !bytes.Equal(Encode(m), b) {
			t.Fatal("not canonical")
		}
	})
}
