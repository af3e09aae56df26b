package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/netsplit/netsplit/node/chain"
)

// storeFile is the block store's name in the data directory.
const storeFile = "blocks.db"

// lockTimeout is how long to wait for another process to release the store.
const lockTimeout = time.Second

var (
	bucketMeta   = []byte("meta")
	bucketBlocks = []byte("blocks")
	keyGenesis   = []byte("genesis")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// Errors of the block store.
var (
	// ErrStoreLocked: another process uses the data directory.
	ErrStoreLocked = errors.New("data directory is in use by another process")
	// ErrStoreCorrupt: the block store is damaged. It is not changed.
	ErrStoreCorrupt = errors.New("block store is corrupt")
	// ErrStoreGenesis: the block store belongs to a chain with another genesis.
	ErrStoreGenesis = errors.New("block store is of another genesis")
)

// store is the block store: blocks in the order in which the node accepted them, as sequence number -> CRC-32C and
// canonical encoding in a bbolt file.
type store struct {
	path string
	db   *bbolt.DB
}

// openStore opens or creates the store in dir and reads all its blocks, oldest first.
func openStore(dir string, genesis chain.Hash) (*store, []*chain.Block, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make data directory: %w", err)
	}
	path := filepath.Join(dir, storeFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := createStore(path, genesis); err != nil {
			return nil, nil, fmt.Errorf("create block store %s: %w", path, err)
		}
	}
	db, err := openBolt(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open block store %s: %w", path, err)
	}
	removeUnfinished(path)
	s := &store{path: path, db: db}
	blocks, err := s.load(genesis)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read block store %s: %w", path, err), s.close())
	}
	return s, blocks, nil
}

// createStore makes an empty store under another name and links it into place, so that a process that is killed leaves
// either no store or a complete one.
func createStore(path string, genesis chain.Hash) error {
	f, err := os.CreateTemp(filepath.Dir(path), storeFile+".new-*")
	if err != nil {
		return err
	}
	unfinished := f.Name()
	defer os.Remove(unfinished)
	if err := f.Close(); err != nil {
		return err
	}
	db, err := openBolt(unfinished)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket(bucketBlocks); err != nil {
			return err
		}
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keyGenesis, genesis[:])
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	// Link, unlike Rename, does not replace a store that another process has created.
	if err := os.Link(unfinished, path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// removeUnfinished removes the files of createStore in a process that was killed. The caller holds the store's lock.
func removeUnfinished(path string) {
	left, err := filepath.Glob(path + ".new-*")
	if err != nil {
		return
	}
	for _, f := range left {
		_ = os.Remove(f) // harmless if it stays
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openBolt opens a bbolt file. Every error that a damaged file can cause becomes ErrStoreCorrupt.
func openBolt(path string) (*bbolt.DB, error) {
	var file *os.File
	var db *bbolt.DB
	err := guard(func() error {
		var err error
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:      lockTimeout,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag, mode)
				file = f
				return f, err
			},
		})
		return err
	})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrStoreLocked
	case errors.Is(err, ErrStoreCorrupt):
		// bbolt panicked and so did not close the file, which holds the lock.
		return nil, errors.Join(err, unlockAndClose(file))
	}
	var access *os.PathError
	var errno syscall.Errno
	if errors.As(err, &access) || errors.As(err, &errno) {
		return nil, err
	}
	// All other errors are about the contents of the file; bbolt does not export all of them.
	return nil, fmt.Errorf("%w: %w", ErrStoreCorrupt, err)
}

// guard runs fn and turns a panic or a memory fault in it into ErrStoreCorrupt: bbolt panics on invalid pages, and a
// truncated file faults when its mapped memory is read.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrStoreCorrupt, p)
		}
	}()
	return fn()
}

// load checks the genesis of the store and reads every block.
func (s *store) load(genesis chain.Hash) ([]*chain.Block, error) {
	var blocks []*chain.Block
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			meta, bucket := tx.Bucket(bucketMeta), tx.Bucket(bucketBlocks)
			if meta == nil || bucket == nil {
				return fmt.Errorf("%w: a bucket is missing", ErrStoreCorrupt)
			}
			if found := meta.Get(keyGenesis); string(found) != string(genesis[:]) {
				return fmt.Errorf("%w: it has %x, the configuration %x", ErrStoreGenesis, found, genesis[:])
			}
			return bucket.ForEach(func(key, value []byte) error {
				b, err := decodeRecord(uint64(len(blocks))+1, key, value)
				if err != nil {
					return fmt.Errorf("%w: record %d: %w", ErrStoreCorrupt, len(blocks)+1, err)
				}
				blocks = append(blocks, b)
				return nil
			})
		})
	})
	return blocks, err
}

func decodeRecord(seq uint64, key, value []byte) (*chain.Block, error) {
	if len(key) != 8 || binary.BigEndian.Uint64(key) != seq {
		return nil, fmt.Errorf("key %x is out of sequence", key)
	}
	if len(value) < crc32.Size {
		return nil, errors.New("too short")
	}
	if crc32.Checksum(value[crc32.Size:], castagnoli) != binary.BigEndian.Uint32(value) {
		return nil, errors.New("checksum does not match")
	}
	return chain.DecodeBlock(value[crc32.Size:])
}

// append stores blocks durably, in one transaction.
func (s *store) append(blocks []*chain.Block) error {
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(bucketBlocks)
			bucket.FillPercent = 1 // keys only grow
			for _, b := range blocks {
				seq, err := bucket.NextSequence()
				if err != nil {
					return err
				}
				value := b.Append(make([]byte, crc32.Size, crc32.Size+b.Size()))
				binary.BigEndian.PutUint32(value, crc32.Checksum(value[crc32.Size:], castagnoli))
				if err := bucket.Put(binary.BigEndian.AppendUint64(nil, seq), value); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("write block store %s: %w", s.path, err)
	}
	return nil
}

func (s *store) close() error {
	if err := guard(s.db.Close); err != nil {
		return fmt.Errorf("close block store %s: %w", s.path, err)
	}
	return nil
}
