package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/netsplit/netsplit/faults/shape/nft"
)

// entry says what an agent creates in the kernel. The kernel removes all of it when the agent ends: table and queue belong
// to the agent's sockets.
type entry struct {
	Testnet string `json:"testnet"`
	PID     int    `json:"pid"` // in the agent's own PID namespace
	Table   string `json:"table"`
	Queue   uint16 `json:"queue,omitempty"`
}

// journal is the agent's record on disk, one entry. A nil journal records nothing.
type journal struct {
	path string
	old  *entry // entry of an earlier agent
}

// openJournal reads the entry of an earlier agent. A file that is not a journal is an error: its path may be wrong.
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

// record replaces the entry. The file is synced, so that a crash of the machine does not leave a broken one; which entry
// it has does not matter then, because the kernel has none of them.
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
	return nil
}

// writeSynced writes a file and syncs it.
func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// explain adds the owner to an error about a table that another agent owns.
func (j *journal) explain(err error) error {
	if !errors.Is(err, nft.ErrOwned) {
		return err
	}
	if j != nil && j.old != nil {
		return fmt.Errorf("another agent owns the faults of testnet %s (process %d by the journal): %w", j.old.Testnet, j.old.PID, err)
	}
	return fmt.Errorf("another agent owns the faults of this testnet: %w", err)
}

// close removes the journal if the faults were healed.
func (j *journal) close(healed bool) error {
	if j == nil || !healed {
		return nil
	}
	if err := os.Remove(j.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}
