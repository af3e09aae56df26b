// Command toychain is a node of a chain that is good for nothing but tests: nodes make a block every interval, take the
// longest chain that a peer has, and print the blocks that they get. It speaks JSON-RPC 2. Its commands: run, init DIR,
// fail LINES, wait.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

type block struct {
	Hash   string   `json:"hash"`
	Parent string   `json:"parent"`
	Height int      `json:"height"`
	Time   int64    `json:"time"`
	Txs    []string `json:"txs"`
}

type node struct {
	name   string
	client http.Client

	mu    sync.Mutex
	chain []block
	pool  []string
	alive map[string]bool // peers that answer
}

func main() {
	if len(os.Args) < 2 {
		fmt.Println("a command is missing")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "init":
		if err := os.WriteFile(filepath.Join(os.Args[2], "ready"), []byte("yes"), 0o600); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "fail":
		fmt.Println("the first line says why")
		n, _ := strconv.Atoi(os.Args[2])
		for i := range n {
			fmt.Println("usage line", i)
		}
		os.Exit(4)
	case "wait":
		fmt.Println("waiting")
		<-time.After(24 * time.Hour) // with no timer the runtime would call it a deadlock and end the process
	case "run":
		run(os.Args[2:])
	default:
		fmt.Println("unknown command", os.Args[1])
		os.Exit(2)
	}
}

func run(args []string) {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	listen := flags.String("rpc", ":7001", "")
	interval := flags.Duration("make", 0, "")
	peers := flags.String("peers", "", "")
	network := flags.String("network", "", "")
	name := flags.String("name", "", "")
	if err := flags.Parse(args); err != nil {
		os.Exit(2)
	}
	if _, err := os.Stat("/data/ready"); err != nil {
		fmt.Println("not initialised:", err)
		os.Exit(3)
	}
	n := &node{name: *name, client: http.Client{Timeout: time.Second}, alive: make(map[string]bool), chain: []block{{Hash: hash(*network), Time: time.Now().Unix(), Txs: []string{}}}}
	for _, p := range strings.Fields(*peers) {
		go n.follow(p)
	}
	if *interval > 0 {
		go n.make(*interval)
	}
	http.HandleFunc("/chain", func(w http.ResponseWriter, _ *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		_ = json.NewEncoder(w).Encode(n.chain)
	})
	http.HandleFunc("/tx", func(_ http.ResponseWriter, r *http.Request) { n.add(r.FormValue("id")) })
	http.HandleFunc("/", n.rpc)
	fmt.Println("listening on", *listen)
	fmt.Println(http.ListenAndServe(*listen, nil))
	os.Exit(1)
}

func hash(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func (n *node) add(tx string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pool = append(n.pool, tx)
}

func (n *node) make(interval time.Duration) {
	for range time.Tick(interval) {
		n.mu.Lock()
		top := n.chain[len(n.chain)-1]
		b := block{Hash: hash(top.Hash + n.name), Parent: top.Hash, Height: top.Height + 1, Time: time.Now().Unix(), Txs: append([]string{}, n.pool...)}
		n.chain, n.pool = append(n.chain, b), nil
		fmt.Printf("block height=%d hash=%s\n", b.Height, b.Hash)
		n.mu.Unlock()
	}
}

// follow takes over a peer's chain where it is longer and of the same genesis, and hands transactions on.
func (n *node) follow(peer string) {
	for range time.Tick(50 * time.Millisecond) {
		resp, err := n.client.Get("http://" + peer + "/chain")
		n.mu.Lock()
		n.alive[peer] = err == nil
		pool := n.pool
		n.mu.Unlock()
		if err != nil {
			continue
		}
		var chain []block
		err = json.NewDecoder(resp.Body).Decode(&chain)
		resp.Body.Close()
		n.mu.Lock()
		if err == nil && len(chain) > len(n.chain) && chain[0].Hash == n.chain[0].Hash {
			for i, b := range chain {
				if i >= len(n.chain) || b.Hash != n.chain[i].Hash {
					fmt.Printf("block height=%d hash=%s\n", b.Height, b.Hash)
				}
			}
			n.chain = chain
		}
		n.mu.Unlock()
		for _, tx := range pool {
			if resp, err := n.client.Post("http://"+peer+"/tx?id="+tx, "", nil); err == nil {
				resp.Body.Close()
			}
		}
	}
}

func (n *node) rpc(w http.ResponseWriter, r *http.Request) {
	var q struct {
		ID     json.RawMessage
		Method string
		Params []any
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	out := map[string]any{"jsonrpc": "2.0", "id": q.ID}
	top := n.chain[len(n.chain)-1]
	switch q.Method {
	case "status":
		out["result"] = top
	case "block":
		if h, ok := q.Params[0].(float64); ok && int(h) < len(n.chain) {
			out["result"] = n.chain[int(h)]
		} else {
			out["error"] = map[string]any{"code": -5, "message": "no such block"}
		}
	case "peers":
		count := 0
		for _, alive := range n.alive {
			if alive {
				count++
			}
		}
		out["result"] = count
	case "send":
		n.pool = append(n.pool, fmt.Sprint(q.Params[0]))
		out["result"] = q.Params[0]
	default:
		out["error"] = map[string]any{"code": -32601, "message": "no method " + q.Method}
	}
	var text bytes.Buffer
	_ = json.NewEncoder(&text).Encode(out)
	_, _ = w.Write(text.Bytes())
}
