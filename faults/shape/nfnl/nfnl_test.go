//go:build linux

package nfnl

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestBuilderAndParserAgree(t *testing.T) {
	var b Builder
	b.Begin(0x301, unix.NLM_F_ACK, 7, 42)
	b.String(1, "odd")
	mark := b.Open(2)
	b.Uint32(3, 0x01020304)
	b.Close(mark)
	b.Begin(0x302, 0, 7, 42)
	if b.Seq() != 2 || b.Len() != len(b.Bytes()) || b.Len()%4 != 0 {
		t.Errorf("sequence %d, length %d of %d", b.Seq(), b.Len(), len(b.Bytes()))
	}
	msgs, err := Parse(b.Bytes())
	if err != nil || len(msgs) != 2 || msgs[0].Kind != 0x301 || msgs[1].Kind != 0x302 || msgs[1].Seq != 2 {
		t.Fatalf("parsed %+v, %v", msgs, err)
	}
	if got := string(Find(msgs[0].Body, 1)); got != "odd\x00" {
		t.Errorf("string is %q", got)
	}
	if diff := cmp.Diff([]byte{1, 2, 3, 4}, Find(Find(msgs[0].Body, 2), 3)); diff != "" {
		t.Errorf("nested number (-want +got):\n%s", diff)
	}
	if Find(msgs[0].Body, 9) != nil {
		t.Error("found an attribute that is not there")
	}
}

func TestParseRefusesMalformedMessages(t *testing.T) {
	var b Builder
	b.Begin(0x301, 0, 7, 0)
	good := b.Bytes()
	for name, bad := range map[string][]byte{
		"short header": good[:8],
		"cut off":      good[:len(good)-1],
		"length 0":     append([]byte{0, 0, 0, 0}, good[4:]...),
	} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	var b Builder
	b.Begin(0x301, 0, 7, 0)
	b.String(1, "x")
	f.Add(b.Bytes())
	f.Fuzz(func(_ *testing.T, in []byte) {
		msgs, _ := Parse(in)
		for _, m := range msgs {
			Find(m.Body, 1)
		}
	})
}

func TestConnReportsTheKernelsErrors(t *testing.T) {
	c, err := Dial(1 << 16)
	if err != nil {
		t.Skipf("needs nfnetlink: %v", err)
	}
	var b Builder
	b.Begin(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, 0, unix.NFPROTO_BRIDGE, 0)
	b.String(unix.NFTA_TABLE_NAME, "no-such-table")
	var errno unix.Errno
	if _, err := c.Transact(b.Bytes()); !errors.As(err, &errno) || errno != unix.ENOENT && errno != unix.EPERM {
		t.Errorf("get a table that is not there: %v", err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Transact(b.Bytes()); !errors.Is(err, errClosed) {
		t.Errorf("transaction on a closed socket: %v", err)
	}
}

func TestInNamesTheNamespaceThatIsNotThere(t *testing.T) {
	err := In("/no/such/namespace", func() error { t.Error("called"); return nil })
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/no/such/namespace") {
		t.Errorf("error is %v", err)
	}
	want := errors.New("own")
	if err := In("", func() error { return want }); err != want {
		t.Errorf("in the own namespace: %v", err)
	}
}
