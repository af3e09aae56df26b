package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/netsplit/netsplit/faults/shape/nft"
)

// entry says what an agent is about to put into the kernel. All of it goes with the agent: the table belongs to the
// agent's socket, and so does the queue.
type entry struct {
	Testnet string `json:"testnet"`
	PID     int    `json:"pid"` // in the agent's own PID namespace
	Table   string `json:"table"`
	Queue   uint16 `json:"queue,omitempty"`
}

// journal is the agent's record on disk, one entry. A nil journal records nothing.
type journal struct {
	path string
	old  *entry // what an earlier agent left
}

// openJournal reads what an earlier agent left. A journal that cannot be read is an error: it may be the wrong file.
func openJournal(path string) (*journal, error) {
	if path == "" {
		return nil, nil
	}
	j := &journal{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	if err := json.Unmarshal(text, &j.old); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	return j, nil
}

// record writes the entry in the place of an older one, and returns when it is on disk.
func (j *journal) record(e entry) error {
	if j == nil {
		return nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", j.path, err)
	}
	next := j.path + ".new"
	if err := writeSynced(next, append(text, '\n')); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := os.Rename(next, j.path); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return j.syncDir()
}

// syncDir makes the journal's name durable.
func (j *journal) syncDir() error {
	dir, err := os.Open(filepath.Dir(j.path))
	if err != nil {
		return fmt.Errorf("sync journal's directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync journal's directory: %w", err)
	}
	return nil
}

// writeSynced writes a file through to the disk.
func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// explain makes an error about a foreign table tell whose it is.
func (j *journal) explain(err error) error {
	if !errors.Is(err, nft.ErrOwned) {
		return err
	}
	if j != nil && j.old != nil {
		return fmt.Errorf("another agent owns the faults of testnet %s (process %d by the journal): %w", j.old.Testnet, j.old.PID, err)
	}
	return fmt.Errorf("another agent owns the faults of this testnet: %w", err)
}

// close removes the entry if what it speaks of is gone.
func (j *journal) close(gone bool) error {
	if j == nil || !gone {
		return nil
	}
	if err := os.Remove(j.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}
