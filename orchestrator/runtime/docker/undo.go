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

	"github.com/netsplit/netsplit/faults"
)

// undoFile is in the directory of a run on containers that something else started, for as long as a fault has paused or
// ended one of them. A run that is killed leaves it, and the removal of its testnet does what it says.
const undoFile = "undo.json"

// maxUndo bounds the size of the file that is read.
const maxUndo = 1 << 20

// undoList is what is to be done to containers for them to be as they were before faults acted on them. It is on disk
// before an action is carried out.
type undoList struct {
	file string // empty: it is kept in memory alone

	Testnet string `json:"testnet"`
	// Network is the id of the network that was split.
	Network string     `json:"network"`
	Held    []undoStep `json:"held"`
}

// undoStep is what ends an action on one container.
type undoStep struct {
	Container string     `json:"container"` // its id
	Name      string     `json:"name"`
	Addr      netip.Addr `json:"addr"`
	// Verb is faults.Resume or faults.Start.
	Verb faults.Verb `json:"verb"`
	// Started is when the container was last started before the action, in the engine's words. If it is another now,
	// someone has started the container since, and there is nothing to undo.
	Started string `json:"started"`
}

// readUndo returns what the run of a testnet left undone; the list is empty where there is nothing. file may be empty.
func readUndo(file, testnet string) (*undoList, error) {
	l := &undoList{file: file, Testnet: testnet}
	if file == "" {
		return l, nil
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is to be undone: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxUndo {
		return nil, fmt.Errorf("read what is to be undone: %s is not a small regular file", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read what is to be undone: %w", err)
	}
	if err := l.decode(text); err != nil {
		return nil, fmt.Errorf("read what is to be undone: %s: %w", file, err)
	}
	if l.Testnet != testnet {
		return &undoList{Testnet: testnet}, nil // a later run was put in the same directory
	}
	return l, nil
}

// decode reads the text of a list.
func (l *undoList) decode(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(l); err != nil {
		return err
	}
	for _, s := range l.Held {
		if s.Verb != faults.Resume && s.Verb != faults.Start || s.Container == "" {
			return fmt.Errorf("container %q cannot be told to %q", s.Container, s.Verb)
		}
	}
	return nil
}

// of returns what is to be undone on a container.
func (l *undoList) of(container string) (undoStep, bool) {
	i := slices.IndexFunc(l.Held, func(s undoStep) bool { return s.Container == container })
	if i < 0 {
		return undoStep{}, false
	}
	return l.Held[i], true
}

// put adds a step, in the place of an older one on the same container, and returns when it is on disk.
func (l *undoList) put(s undoStep) error {
	l.Held = append(l.without(s.Container), s)
	return l.save()
}

// drop removes the step on a container.
func (l *undoList) drop(container string) error {
	if _, held := l.of(container); !held {
		return nil
	}
	l.Held = l.without(container)
	return l.save()
}

func (l *undoList) without(container string) []undoStep {
	return slices.DeleteFunc(slices.Clone(l.Held), func(s undoStep) bool { return s.Container == container })
}

// save makes the file say what the list says; there is none where there is nothing to undo.
func (l *undoList) save() error {
	if l.file == "" {
		return nil
	}
	if len(l.Held) == 0 {
		if err := os.Remove(l.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what was undone: %w", err)
		}
		return nil
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = replaceFile(l.file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note what is to be undone: %w", err)
	}
	return nil
}

// replaceFile puts a text in the place of a file in one step, and returns when it is on disk.
func replaceFile(file string, text []byte) error {
	next := file + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// reviver is what bringing a container back needs of the engine.
type reviver interface {
	inspector
	ContainerStart(ctx context.Context, id string, o container.StartOptions) error
	ContainerUnpause(ctx context.Context, id string) error
}

// undo does what the run of a testnet left undone.
func undo(ctx context.Context, e reviver, file, testnet string) error {
	l, err := readUndo(file, testnet)
	if err != nil {
		return err
	}
	return l.carryOut(ctx, e)
}

// carryOut does all that the list says. What could not be done stays on it.
func (l *undoList) carryOut(ctx context.Context, e reviver) error {
	// In the order of their addresses: the engine gives each the lowest that is free.
	steps := slices.SortedFunc(slices.Values(l.Held), func(a, b undoStep) int { return a.Addr.Compare(b.Addr) })
	var failed error
	for _, s := range steps {
		started, err := s.carryOut(ctx, e)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s container %s, which a fault had ended or paused: %w", s.Verb, s.Name, err))
			continue
		}
		failed = errors.Join(failed, l.drop(s.Container))
		if !started {
			continue
		}
		if err := sameAddr(ctx, e, s, l.Network); err != nil {
			failed = errors.Join(failed, fmt.Errorf("container %s: %w", s.Name, err))
		}
	}
	return failed
}

// carryOut makes a container go on that an action paused or ended, unless someone else did, or removed it. It reports
// whether it started the container.
func (s undoStep) carryOut(ctx context.Context, e reviver) (started bool, err error) {
	c, err := e.ContainerInspect(ctx, s.Container)
	switch {
	case errdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	case c.State.StartedAt != s.Started:
		return false, nil
	case c.State.Status == container.StatePaused:
		return false, reach(ctx, e, s.Container, container.StateRunning, e.ContainerUnpause)
	case s.Verb == faults.Start && c.State.Status == container.StateExited:
		return true, e.ContainerStart(ctx, s.Container, container.StartOptions{})
	}
	return false, nil
}

// sameAddr fails when a container that was started again has another address than before.
func sameAddr(ctx context.Context, e inspector, s undoStep, net string) error {
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
	now, err := addrOn(c.NetworkSettings.Networks, net)
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
