package agent

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// newController has three hosts and a fake engine.
func newController(t *testing.T) (*controller, *fakeEngine) {
	t.Helper()
	e := &fakeEngine{}
	c := &controller{testnet: "t", engine: e, failed: func(err error) { t.Errorf("failed: %v", err) }}
	must.Do(t, c.setHosts(threeHosts()))
	return c, e
}

func set(t *testing.T, c *controller, layers ...faults.Layer) {
	t.Helper()
	must.Get(c.setLayers(ShapeRequest{Layers: layers}))(t)
}

func TestController_LayersExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, e := newController(t)
		defer c.close()
		over, first, second, forever := cutLayer("over"), cutLayer("first"), cutLayer("second"), cutLayer("forever")
		over.Until, first.Until, second.Until = time.Now().Add(-time.Second), time.Now().Add(time.Second), time.Now().Add(3*time.Second)
		over.Links.Rules[0].From, over.Links.Rules[0].To = []faults.NodeID{"b"}, []faults.NodeID{"c"}
		second.Links.Rules[0].To = []faults.NodeID{"c"}
		forever.Links.Rules[0].From = []faults.NodeID{"c"}
		set(t, c, over, first, second, forever) // the first is not even applied
		for _, step := range []struct {
			after  time.Duration
			layers int
		}{{999 * time.Millisecond, 3}, {time.Millisecond, 2}, {1999 * time.Millisecond, 2}, {time.Millisecond, 1}, {time.Hour, 1}} {
			time.Sleep(step.after) // virtual
			synctest.Wait()
			state, err := c.state()
			if cut, _ := e.affected(); err != nil || cut != step.layers || len(state.Layers) != step.layers {
				t.Errorf("at %v: %d links cut by %d layers, want %d; %v", time.Now(), cut, len(state.Layers), step.layers, err)
			}
		}
		if state, err := c.state(); err != nil || state.Version != 3 {
			t.Errorf("version is %d after one request and two ends; %v", state.Version, err)
		}
	})
}

func TestController_LaterRequestReplacesTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, e := newController(t)
		defer c.close()
		brief := cutLayer("x")
		brief.Until = time.Now().Add(time.Second)
		set(t, c, brief)
		longer := cutLayer("x")
		longer.Until = time.Now().Add(time.Minute)
		set(t, c, longer)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if cut, _ := e.affected(); cut != 1 {
			t.Error("the first request's timer healed the second's layer")
		}
	})
}

func TestController_FailureToHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, e := newController(t)
		defer c.close()
		failed := make(chan error, 1)
		c.failed = func(err error) { failed <- err }
		brief := cutLayer("x")
		brief.Until = time.Now().Add(time.Second)
		set(t, c, brief)
		e.mu.Lock()
		e.err = errors.New("kernel says no")
		e.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		select {
		case err := <-failed:
			if !strings.Contains(err.Error(), "kernel says no") {
				t.Errorf("failed with %v", err)
			}
		default:
			t.Error("a fault outlived its end, and failed was not called")
		}
	})
}

func TestController_SetHosts(t *testing.T) {
	c, e := newController(t)
	defer c.close()
	set(t, c, cutLayer("x"))
	before := e.now
	moved := threeHosts()
	moved[1].Netns = "/proc/1/ns/net" // a restart: the address stays
	must.Do(t, c.setHosts(moved))
	for p := range before.Cut {
		if _, ok := e.now.Cut[p]; !ok {
			t.Error("a restarted node lost its fault")
		}
	}
	if err := c.setHosts(moved[:1]); status(err) != http.StatusBadRequest {
		t.Errorf("remove a host that a fault names: %v", err)
	}
	if len(c.hosts) != 3 {
		t.Error("a refused request changed the hosts")
	}
}

func TestController_EngineErrors(t *testing.T) {
	c, e := newController(t)
	defer c.close()
	set(t, c, cutLayer("x"))
	for err, want := range map[error]int{
		errors.New("no"): http.StatusInternalServerError,
		shape.ErrNoDelay: http.StatusNotImplemented,
	} {
		e.err = err
		if _, got := c.setLayers(ShapeRequest{}); status(got) != want {
			t.Errorf("engine's %v became %v, want status %d", err, got, want)
		}
		if c.version != 1 || len(c.layers) != 1 {
			t.Errorf("a failed request made version %d with %d layers", c.version, len(c.layers))
		}
	}
	e.err = nil
}

func TestController_Closed(t *testing.T) {
	c, e := newController(t)
	release := c.acquire()
	for range 2 {
		must.Do(t, c.close())
	}
	if !e.closed {
		t.Error("the engine was not closed")
	}
	if _, err := c.setLayers(ShapeRequest{}); status(err) != http.StatusServiceUnavailable {
		t.Errorf("shape after the end: %v", err)
	}
	release()
	c.expire()
}

// status is the HTTP status of an *Error, or 0.
func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
