package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/filters"
)

// hasEnded reports whether the process with a processID has ended. A process that cannot be seen from here, because it is
// in another PID namespace, counts as running.
func hasEnded(id string) bool {
	self := strings.Split(processID(os.Getpid()), "-")
	parts := strings.Split(id, "-")
	if len(self) != 4 || len(parts) != 4 {
		return false
	}
	pid, err := strconv.Atoi(parts[0])
	switch {
	case err != nil:
		return false
	case parts[3] != self[3]: // an earlier boot
		return true
	case parts[2] != self[2]:
		return false
	}
	return processID(pid) != id
}

// testOwner is the environment variable with the processID of the test for which this process works. Tests set it with
// OwnTests; it is inherited by what they start. It is never set in production.
const testOwner = "NETSPLIT_TEST_OWNER"

// TestLabels returns the labels of what a test makes on the engine by itself, without a Runtime; empty outside of tests.
func TestLabels() map[string]string {
	labels := map[string]string{}
	if id := os.Getenv(testOwner); id != "" {
		labels[labelTestOwner] = id
	}
	return labels
}

// OwnTests is called by TestMain of packages whose tests start containers. It makes this process the owner of all
// containers and networks that it, and what it starts, will make on the engine, and removes those whose owner, a test
// process, ended without removing them. It does nothing where no engine answers.
func OwnTests(ctx context.Context) error {
	if err := os.Setenv(testOwner, processID(os.Getpid())); err != nil {
		return err
	}
	cli, _, err := connect(ctx)
	if err != nil {
		return nil // tests that need an engine say so themselves
	}
	defer cli.Close()
	if err := sweepTests(ctx, cli); err != nil {
		return fmt.Errorf("remove what killed tests left: %w", err)
	}
	return nil
}

// sweepTests removes the containers and networks of tests whose process has ended.
func sweepTests(ctx context.Context, e cleaner) error {
	containers, networks, err := labelled(ctx, e, filters.NewArgs(filters.Arg("label", labelTestOwner)))
	if err != nil {
		return err
	}
	ended := map[string]bool{} // owners
	for _, n := range networks {
		if owner := n.Labels[labelTestOwner]; hasEnded(owner) {
			ended[owner] = true
		}
	}
	var sockets []string
	for _, c := range containers {
		if owner := c.Labels[labelTestOwner]; hasEnded(owner) {
			ended[owner] = true
			sockets = append(sockets, c.Labels[labelSocket])
		}
	}
	for owner := range ended {
		err = errors.Join(err, sweep(ctx, e, filters.NewArgs(filters.Arg("label", labelTestOwner+"="+owner))))
	}
	for _, socket := range sockets {
		if socket != "" {
			err = errors.Join(err, removeSocketDir(filepath.Dir(socket)))
		}
	}
	return err
}
