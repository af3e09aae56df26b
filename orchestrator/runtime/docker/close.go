package docker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// closeTimeout bounds clean-up when its caller has no time left or sets no limit.
const closeTimeout = 2 * time.Minute

// Close implements runtime.Runtime. It works after a Create or Launch that was broken off, and does its work even when
// ctx has ended, within two minutes. Its error names what is left.
func (r *Runtime) Close(ctx context.Context) error {
	r.retire()
	if r.plan.ID == "" {
		return r.cli.Close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := sweep(ctx, r.cli, byTestnet(r.plan.ID))
	if r.agent != nil {
		err = errors.Join(err, removeSocketDir(r.agent.dir))
	}
	if err != nil {
		return fmt.Errorf("close testnet %s: %w (netsplit down %s tries again)", r.plan.ID, err, r.plan.ID)
	}
	return r.cli.Close()
}

// Detach lets go of the testnet without ending it: nothing more comes to the sink, and Attach finds it again. Close
// after Detach still removes it.
func (r *Runtime) Detach() error {
	r.retire()
	return r.cli.Close()
}

// retire refuses further calls, breaks off those under way, and waits for all that runs in the background.
func (r *Runtime) retire() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.end()
	r.calls.Wait()
	r.workers.Wait()
	r.http.CloseIdleConnections()
}
