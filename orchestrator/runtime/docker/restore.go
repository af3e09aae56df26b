package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/moby/sys/atomicwriter"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// restoreFile is in the directory of a run on attached containers, for as long as a fault has paused or ended one of them.
// A run that is killed leaves it, and the removal of its testnet restores what it lists.
const restoreFile = "restore.json"

// maxJournal bounds the size of the file that is read.
const maxJournal = 1 << 20

// restoreJournal lists what is to be done to attached containers for them to be as they were before faults acted on them.
// A step is on disk before its action is carried out.
type restoreJournal struct {
	file string // empty: the journal is in memory alone

	Testnet string `json:"testnet"`
	// Network is the id of the network that was split.
	Network string        `json:"network"`
	Steps   []restoreStep `json:"steps"`
}

// restoreStep is what reverts an action on one container.
type restoreStep struct {
	Container string     `json:"container"` // its id
	Name      string     `json:"name"`
	Addr      netip.Addr `json:"addr"`
	// Verb is faults.Resume or faults.Start.
	Verb faults.Verb `json:"verb"`
	// Started is when the container was last started before the action, in the engine's words. If it is another now,
	// someone has started the container since, and there is nothing to restore.
	Started string `json:"started"`
}

// newJournal returns the empty journal of a run, whose directory must have none.
func newJournal(plan runtime.Plan, network string) (*restoreJournal, error) {
	l := &restoreJournal{Testnet: plan.ID, Network: network}
	if plan.Dir == "" {
		return l, nil
	}
	l.file = filepath.Join(plan.Dir, restoreFile)
	if _, err := os.Lstat(l.file); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s exists: it lists containers that an earlier run did not restore, which netsplit down does", l.file), err)
	}
	return l, nil
}

// readJournal returns what the run of a testnet did not restore; it is empty where there is nothing. file may be empty.
func readJournal(file, testnet string) (*restoreJournal, error) {
	l := &restoreJournal{file: file, Testnet: testnet}
	if file == "" {
		return l, nil
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxJournal) {
		err = fmt.Errorf("%s is not a small regular file", file)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err == nil {
		err = l.decode(text)
	}
	if err != nil {
		return nil, fmt.Errorf("read the restore journal %s: %w", file, err)
	}
	if l.Testnet != testnet {
		return &restoreJournal{Testnet: testnet}, nil // a later run was put in the same directory
	}
	return l, nil
}

// decode reads the text of a journal.
func (l *restoreJournal) decode(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(l); err != nil {
		return err
	}
	for _, s := range l.Steps {
		if s.Verb != faults.Resume && s.Verb != faults.Start || s.Container == "" {
			return fmt.Errorf("container %q cannot be restored by %q", s.Container, s.Verb)
		}
	}
	return nil
}

// step returns the step on a container, if there is one.
func (l *restoreJournal) step(container string) (restoreStep, bool) {
	i := slices.IndexFunc(l.Steps, func(s restoreStep) bool { return s.Container == container })
	if i < 0 {
		return restoreStep{}, false
	}
	return l.Steps[i], true
}

// put adds a step, in the place of an older one on the same container, and returns when it is on disk.
func (l *restoreJournal) put(s restoreStep) error {
	l.Steps = append(l.without(s.Container), s)
	return l.save()
}

// drop removes the step on a container.
func (l *restoreJournal) drop(container string) error {
	if _, held := l.step(container); !held {
		return nil
	}
	l.Steps = l.without(container)
	return l.save()
}

func (l *restoreJournal) without(container string) []restoreStep {
	return slices.DeleteFunc(slices.Clone(l.Steps), func(s restoreStep) bool { return s.Container == container })
}

// save writes the file, or removes it where there is nothing to restore.
func (l *restoreJournal) save() error {
	if l.file == "" {
		return nil
	}
	if len(l.Steps) == 0 {
		if err := os.Remove(l.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the restore journal: %w", err)
		}
		return nil
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = atomicwriter.WriteFile(l.file, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the restore journal: %w", err)
	}
	return nil
}

// revertedBy is the verb that reverts an action on an attached container.
var revertedBy = map[faults.Verb]faults.Verb{
	faults.Pause: faults.Resume, faults.Kill: faults.Start, faults.Stop: faults.Start, faults.Restart: faults.Start,
}

// restorer is what restoring a container needs of the engine.
type restorer interface {
	inspector
	ContainerStart(ctx context.Context, id string, o container.StartOptions) error
	ContainerUnpause(ctx context.Context, id string) error
}

// restoreRun restores what the run of a testnet did not.
func restoreRun(ctx context.Context, e restorer, file, testnet string) error {
	l, err := readJournal(file, testnet)
	if err != nil {
		return err
	}
	return l.restore(ctx, e)
}

// restore takes all steps. Those that fail stay in the journal.
func (l *restoreJournal) restore(ctx context.Context, e restorer) error {
	// In the order of their addresses: the engine gives each the lowest that is free.
	steps := slices.SortedFunc(slices.Values(l.Steps), func(a, b restoreStep) int { return a.Addr.Compare(b.Addr) })
	var failed error
	for _, s := range steps {
		started, err := s.restore(ctx, e)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s container %s, which a fault had ended or paused: %w", s.Verb, s.Name, err))
			continue
		}
		failed = errors.Join(failed, l.drop(s.Container))
		if !started {
			continue
		}
		if err := checkAddr(ctx, e, s, l.Network); err != nil {
			failed = errors.Join(failed, fmt.Errorf("container %s: %w", s.Name, err))
		}
	}
	return failed
}

// restore resumes or starts a container that an action paused or ended, unless someone else did, or removed it. It
// reports whether it started the container.
func (s restoreStep) restore(ctx context.Context, e restorer) (started bool, err error) {
	c, err := e.ContainerInspect(ctx, s.Container)
	switch {
	case errdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	case c.State.StartedAt != s.Started:
		return false, nil
	case c.State.Status == container.StatePaused:
		return false, untilState(ctx, e, s.Container, container.StateRunning, e.ContainerUnpause)
	case s.Verb == faults.Start && c.State.Status == container.StateExited:
		return true, e.ContainerStart(ctx, s.Container, container.StartOptions{})
	}
	return false, nil
}

// checkAddr fails when a container that was started again has another address than before.
func checkAddr(ctx context.Context, e inspector, s restoreStep, net string) error {
	c, err := e.ContainerInspect(ctx, s.Container)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.State.Status != container.StateRunning {
		return nil // someone else ended it
	}
	now, _, err := addrOn(c.NetworkSettings.Networks, net)
	if err != nil {
		return err
	}
	if now != s.Addr {
		return fmt.Errorf("it came back at %s instead of %s; %s", now, s.Addr, fixAddress)
	}
	return nil
}

// fixAddress is what to do about containers that come back at other addresses.
const fixAddress = "give it a fixed address (ipv4_address in compose, --ip in docker run)"
