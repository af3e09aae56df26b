package docker

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

// A node whose reply has a header without end is not read to its end.
func TestTransport_EndlessHeader(t *testing.T) {
	listener := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	sent := make(chan int, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			sent <- 0
			return
		}
		total, _ := fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n")
		for i := 0; err == nil && total < 1<<30; i++ {
			var n int
			n, err = fmt.Fprintf(conn, "X-%d: %01000d\r\n", i, i)
			total += n
		}
		sent <- total
	}()
	t.Cleanup(func() { _ = listener.Close() })
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Get("http://" + listener.Addr().String())
	if err == nil {
		resp.Body.Close()
	}
	must.Fail(t, "headers exceeded 65536 bytes")(resp, err)
	// What the kernel buffers comes on top.
	if total := <-sent; total > 16<<20 {
		t.Errorf("%d bytes were taken", total)
	}
}
