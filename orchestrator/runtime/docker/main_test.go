package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/node/daemon"
)

// The test binary is also the program of the containers that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "node":
			if slices.Contains(os.Args, "--config") { // the conformance suite's
				os.Exit(runUntilTerminated(daemon.Main))
			}
			testNode(os.Args[2:])
			return
		case "build":
			b := goBuilder{engine: &fakeImages{}, dir: os.Args[2], run: runGo, progress: func(string) {}}
			fmt.Println(b.image(context.Background(), toolAt, ""))
			return
		case "abandon":
			abandonTestnet()
			return
		case "agent":
			os.Exit(runUntilTerminated(agent.Main))
		}
	}
	if err := OwnTests(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir, err := buildDir(); err != nil || os.RemoveAll(dir) != nil {
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

// runUntilTerminated runs a mode of netsplit with the arguments after its name.
func runUntilTerminated(mode func(ctx context.Context, args []string, stdout, stderr io.Writer) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return mode(ctx, os.Args[2:], os.Stdout, os.Stderr)
}

// testNode prints numbered lines, continued over restarts, and obeys requests over HTTP.
func testNode(args []string) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if len(args) > 0 && args[0] == "fail" {
		fmt.Println("cannot start")
		os.Exit(7)
	}
	b, _ := os.ReadFile("/data/next")
	next, _ := strconv.Atoi(string(b))
	say := func(n int) {
		for range n {
			fmt.Println("line", next)
			next++
		}
		if err := os.WriteFile("/data/next", []byte(strconv.Itoa(next)), 0o600); err != nil {
			fmt.Println(err)
		}
	}
	say(10)
	fmt.Fprintln(os.Stderr, "on standard error")
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	http.HandleFunc("/print", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		say(n)
	})
	http.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		fmt.Println(strings.Repeat("x", n))
	})
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
		w.Write(b)
	})
	http.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		c, err := net.DialTimeout("tcp", r.FormValue("addr"), 2*time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		c.Close()
	})
	http.HandleFunc("/eat", func(http.ResponseWriter, *http.Request) {
		for eaten := [][]byte{}; ; {
			page := bytes.Repeat([]byte{1}, 1<<20)
			eaten = append(eaten, page)
		}
	})
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) {
		say(5)
		os.Exit(3)
	})
	go func() {
		fmt.Println(http.ListenAndServe(":8080", nil))
		os.Exit(1)
	}()
	<-stop
	fmt.Println("bye")
}
