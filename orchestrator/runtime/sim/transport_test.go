package sim_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// request sends a request to a URL through a runtime's transport.
func request(t *testing.T, r *sim.Runtime, method, url, body string) (int, string, error) {
	t.Helper()
	req := must.Get(http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body)))(t)
	resp, err := (&http.Client{Transport: r.Transport()}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text := must.Get(io.ReadAll(resp.Body))(t)
	if int64(len(text)) != resp.ContentLength {
		t.Errorf("%d bytes, content length %d", len(text), resp.ContentLength)
	}
	return resp.StatusCode, string(text), nil
}

func TestTransport_Requests(t *testing.T) {
	r := sim.New(sim.Options{})
	start(t, r, nil, 2, 1)
	sleep(t, r, 10*time.Second)
	for _, tt := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/v1/status", "", 200, `"height"`},
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/metrics", "", 200, "# HELP"},
		{"GET", "/v1/blocks/0", "", 200, `"raw"`},
		{"GET", "/nowhere", "", 404, `"error"`},
		{"POST", "/v1/transactions", "{}", 400, `"error"`},
		{"POST", "/v1/status", "", 405, `"error"`},
	} {
		status, body, err := request(t, r, tt.method, "http://10.0.0.1:8080"+tt.path, tt.body)
		if err != nil || status != tt.status || !strings.Contains(body, tt.contains) {
			t.Errorf("%s %s: %d %q %v, want %d with %s", tt.method, tt.path, status, body, err, tt.status, tt.contains)
		}
	}
	if now := r.Clock().Now(); now != 10*time.Second {
		t.Errorf("requests took until %v", now)
	}
}

func TestTransport_Errors(t *testing.T) {
	r := sim.New(sim.Options{})
	ids := start(t, r, nil, 4, 1)
	for verb, id := range map[faults.Verb]faults.NodeID{faults.Kill: ids[1], faults.Stop: ids[2], faults.Pause: ids[3]} {
		must.Do(t, r.Do(t.Context(), faults.Action{Verb: verb, Node: id}))
	}
	for url, want := range map[string]error{
		"http://10.0.0.2:8080/v1/status": syscall.ECONNREFUSED, // killed
		"http://10.0.0.3:8080/v1/status": syscall.ECONNREFUSED, // stopped
		"http://10.0.0.1:4001/":          syscall.ECONNREFUSED, // not HTTP
		"http://10.0.0.9:8080/":          syscall.EHOSTUNREACH,
		"http://192.0.2.1:8080/":         syscall.EHOSTUNREACH,
		"http://node-1:8080/":            nil, // a name
		"http://10.0.0.1/":               nil, // no port
	} {
		_, _, err := request(t, r, "GET", url, "")
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
	_, _, err := request(t, r, "GET", "http://10.0.0.4:8080/v1/status", "")
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("paused: %v, want a timeout", err)
	}

}

// TestTransport_OtherGoroutine sends requests from a goroutine that is not a task, as tools may.
func TestTransport_OtherGoroutine(t *testing.T) {
	r := sim.New(sim.Options{})
	start(t, r, nil, 10, 2)
	var wg sync.WaitGroup
	wg.Go(func() {
		client := &http.Client{Transport: r.Transport()}
		for range 200 {
			resp, err := client.Get("http://10.0.0.1:8080/v1/status")
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%v, %v", resp, err)
			}
		}
	})
	sleep(t, r, 60*time.Second)
	wg.Wait()
}
