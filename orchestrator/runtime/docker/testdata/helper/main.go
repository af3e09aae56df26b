// Program helper is an external node, and the commands that prepare it, for tests.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := append(os.Args[1:], "", "", "", "")
	n, _ := strconv.Atoi(args[1])
	switch args[0] {
	case "say":
		fmt.Println(args[1])
	case "copy":
		b, err := os.ReadFile(args[1])
		must(err)
		must(os.MkdirAll(filepath.Dir(args[2]), 0o755))
		must(os.WriteFile(args[2], b, 0o600))
		must(os.Symlink("/etc", filepath.Join(filepath.Dir(args[2]), "link")))
		fmt.Println(args[3])
	case "link":
		must(os.Symlink(args[1], args[2]))
	case "loud":
		fmt.Println(strings.Repeat(strings.Repeat("x", 99)+"\n", n/100))
	case "fail":
		for i := range n {
			fmt.Println("line", i+1)
		}
		os.Exit(7)
	case "dial":
		c, err := net.DialTimeout("tcp", args[1], 2*time.Second)
		must(err)
		c.Close()
	case "serve":
		serve()
	}
}

func serve() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, os.Getenv(r.FormValue("name"))) })
	http.HandleFunc("/mode", func(w http.ResponseWriter, r *http.Request) {
		info, err := os.Stat(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		io.WriteString(w, info.Mode().String())
	})
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Write(b)
	})
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	go func() { must(http.ListenAndServe(":8080", nil)) }()
	fmt.Println("serving")
	fmt.Println("got", <-stop)
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
