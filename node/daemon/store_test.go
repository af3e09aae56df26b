package daemon

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

var testHash = chain.Hash{1, 2, 3}

func testBlocks(n int) []*chain.Block {
	blocks := make([]*chain.Block, n)
	for i := range blocks {
		blocks[i] = chain.NewBlock(chain.Header{Version: 1, Height: chain.Height(i + 1)}, make([]chain.Tx, i%40))
	}
	return blocks
}

func openTestStore(t *testing.T, dir string, genesis chain.Hash) (*store, []*chain.Block) {
	t.Helper()
	s, blocks, err := openStore(dir, genesis)
	must.Do(t, err)
	return s, blocks
}

// newStore makes a store of 300 blocks and returns its directory.
func newStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deep", "data")
	s, blocks := openTestStore(t, dir, testHash)
	if len(blocks) != 0 {
		t.Errorf("a new store has %d blocks", len(blocks))
	}
	all := testBlocks(300)
	for _, part := range [][]*chain.Block{all[:1], all[1:200], all[200:]} {
		must.Do(t, s.append(part))
	}
	must.Do(t, s.close())
	return dir
}

func TestStore_KeepsOrder(t *testing.T) {
	dir := newStore(t)
	unfinished := filepath.Join(dir, storeFile+".new-123")
	must.Do(t, os.WriteFile(unfinished, nil, 0o600))
	s, blocks := openTestStore(t, dir, testHash)
	defer s.close()
	if len(blocks) != 300 {
		t.Fatalf("%d blocks, want 300", len(blocks))
	}
	for i, want := range testBlocks(300) {
		if blocks[i].Hash() != want.Hash() || len(blocks[i].Txs) != len(want.Txs) {
			t.Errorf("block %d differs", i)
		}
	}
	if _, err := os.Stat(unfinished); !errors.Is(err, os.ErrNotExist) {
		t.Error("the unfinished store of a killed process is not removed")
	}
}

func TestStore_Refuses(t *testing.T) {
	t.Parallel()
	t.Run("another genesis", func(t *testing.T) {
		_, _, err := openStore(newStore(t), chain.Hash{9})
		if !errors.Is(err, ErrStoreGenesis) || !strings.Contains(err.Error(), "configuration 0900") {
			t.Errorf("error %v, want ErrStoreGenesis with both hashes", err)
		}
	})
	t.Run("locked", func(t *testing.T) {
		dir := newStore(t)
		s, _ := openTestStore(t, dir, testHash)
		defer s.close()
		if _, _, err := openStore(dir, testHash); !errors.Is(err, ErrStoreLocked) {
			t.Errorf("error %v, want ErrStoreLocked", err)
		}
	})
	t.Run("directory is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "f")
		must.Do(t, os.WriteFile(file, nil, 0o600))
		if _, _, err := openStore(file, testHash); err == nil || !strings.Contains(err.Error(), "make data directory") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		s, _ := openTestStore(t, newStore(t), testHash)
		s.close()
		if err := s.append(testBlocks(1)); err == nil || !strings.Contains(err.Error(), "write block store") {
			t.Errorf("append to a closed store: %v", err)
		}
	})
}

// TestStore_DamagedFile damages the file in many ways. Opening must fail, unless the damage is in a free page; it must never
// crash, hang, change the file or return other blocks than were stored.
func TestStore_DamagedFile(t *testing.T) {
	t.Parallel()
	dir := newStore(t)
	path := filepath.Join(dir, storeFile)
	whole := must.Get(os.ReadFile(path))(t)
	want := testBlocks(300)
	check := func(name string, damaged []byte, fails bool) {
		t.Helper()
		must.Do(t, os.WriteFile(path, damaged, 0o600))
		s, blocks, err := openStore(dir, testHash)
		if err == nil {
			if fails {
				t.Errorf("%s: no error", name)
			}
			for i, b := range blocks {
				if len(blocks) != len(want) || b.Hash() != want[i].Hash() {
					t.Errorf("%s: wrong blocks and no error", name)
					break
				}
			}
			s.close()
			return
		}
		if errors.Is(err, ErrStoreLocked) {
			t.Fatalf("%s: the file is still open from the case before", name)
		}
		if !errors.Is(err, ErrStoreCorrupt) && !errors.Is(err, ErrStoreGenesis) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want ErrStoreCorrupt with the path", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, damaged) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
	page := os.Getpagesize()
	check("both meta pages zero", append(make([]byte, 2*page), whole[2*page:]...), true)
	check("not a store", bytes.Repeat([]byte("x"), 64<<10), true)
	check("one byte", []byte{1}, true)
	for _, size := range []int{page, 2 * page, 3 * page, 5 * page, len(whole) / 4, len(whole) / 2} {
		check("cut short", whole[:size], true)
	}
	step := len(whole)/150 | 1
	for at := 0; at < len(whole); at += step {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		check("bit flip", flipped, false)
	}
}

func TestStore_DamagedRecord(t *testing.T) {
	tests := map[string]struct {
		change func(b *bbolt.Bucket) error
		want   string
	}{
		"gap":       {func(b *bbolt.Bucket) error { return b.Delete([]byte{0, 0, 0, 0, 0, 0, 0, 7}) }, "record 7: key 0000000000000008 is out of sequence"},
		"short":     {func(b *bbolt.Bucket) error { return b.Put([]byte{0, 0, 0, 0, 0, 0, 0, 7}, []byte{1}) }, "record 7: too short"},
		"checksum":  {func(b *bbolt.Bucket) error { return b.Put([]byte{0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 200)) }, "record 7: checksum does not match"},
		"other key": {func(b *bbolt.Bucket) error { return b.Put([]byte{1}, []byte{1}) }, "record 301: key 01 is out of sequence"},
		"no block":  {func(b *bbolt.Bucket) error { return b.Put([]byte{0, 0, 0, 0, 0, 0, 0, 7}, []byte{0, 0, 0, 0}) }, "record 7: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := newStore(t)
			s, _ := openTestStore(t, dir, testHash)
			err := s.db.Update(func(tx *bbolt.Tx) error { return tt.change(tx.Bucket(bucketBlocks)) })
			must.Do(t, errors.Join(err, s.close()))
			_, _, err = openStore(dir, testHash)
			if !errors.Is(err, ErrStoreCorrupt) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrStoreCorrupt with %q", err, tt.want)
			}
		})
	}
}
