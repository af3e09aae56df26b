package chainspec

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// chainValidator checks what no single value of a chain can show.
type chainValidator struct {
	c    *Chain
	from *strictyaml.Source
	errs []*strictyaml.Error
	// used are the top-level names that the templates of each call use.
	used map[string]map[string]bool
}

// validate checks what no single value can show. Errors are *strictyaml.Error, several of them joined.
func (c *Chain) validate(from *strictyaml.Source) error {
	v := &chainValidator{c: c, from: from, used: make(map[string]map[string]bool)}
	v.rpc()
	v.captures()
	v.texts()
	v.uses()
	if len(v.errs) > 0 {
		return from.Join(v.errs)
	}
	return nil
}

// failf records a mistake at a place.
func (v *chainValidator) failf(pos strictyaml.Pos, hint, format string, args ...any) {
	v.errs = append(v.errs, v.from.ErrorAt(pos, fmt.Sprintf(format, args...), hint))
}

// rpc checks the port, and that every call has what the kind of RPC needs.
func (v *chainValidator) rpc() {
	r := &v.c.RPC
	if _, ok := v.c.Ports[r.Port]; !ok {
		hint := strictyaml.Suggest(r.Port, "ports", slices.Sorted(maps.Keys(v.c.Ports)))
		v.failf(r.Pos, hint, "rpc: there is no port %q", strictyaml.Shorten(r.Port))
	}
	for _, name := range slices.Sorted(maps.Keys(v.c.Calls)) {
		call := v.c.Calls[name]
		get := r.Kind == HTTPGet
		switch {
		case get && call.Method != "":
			v.failf(call.Pos, "write path: /status?height={{.Height}}, and params: {...} for a POST with them", "call %s: %s has no method", name, r.Kind)
		case get && call.Path == nil:
			v.failf(call.Pos, "", "call %s has no \"path\"", name)
		case !get && call.Path != nil:
			v.failf(call.Pos, "write method: NAME and params: [...]", "call %s: %s has no path", name, r.Kind)
		case !get && call.Method == "":
			v.failf(call.Pos, "", "call %s has no \"method\"", name)
		}
	}
}

// captures checks that no two steps capture the same name.
func (v *chainValidator) captures() {
	seen := make(map[string]strictyaml.Pos)
	for _, step := range v.c.Prepare {
		for _, capture := range step.Capture {
			if first, twice := seen[capture.Name]; twice {
				v.failf(capture.Pos, "", "%q is captured twice, first in line %d", capture.Name, first.Line)
				continue
			}
			seen[capture.Name] = capture.Pos
		}
	}
}

// text checks the names in a text, and returns those of the top that it uses.
func (v *chainValidator) text(t Text, root *shape) map[string]bool {
	used, mistakes := checkNames(t, root)
	v.errs = append(v.errs, mistakes...)
	return used
}

// texts checks the names in all texts.
func (v *chainValidator) texts() {
	c := v.c
	for i, step := range c.Prepare {
		names := namesOnce
		if step.EachNode {
			names = namesNode
		}
		root := only(c.roots(i), names)
		for _, t := range step.Run {
			v.text(t, root)
		}
		for _, f := range step.Files {
			v.text(f.Text, root)
		}
	}
	roots := c.roots(len(c.Prepare))
	node, peer := only(roots, namesNode), only(roots, namesPeer)
	for _, a := range c.Start.Args {
		if a.For != "" {
			v.text(a.Text, peer)
		} else {
			v.text(a.Text, node)
		}
	}
	for _, t := range c.Start.Env {
		v.text(t, node)
	}
	for _, f := range c.Start.Files {
		v.text(f.Text, node)
	}
	if c.RPC.Basic != nil {
		v.text(c.RPC.Basic.User, node)
		v.text(c.RPC.Basic.Password, node)
	}
	if c.RPC.Bearer != nil {
		v.text(*c.RPC.Bearer, node)
	}
	if c.Wallet != nil {
		for _, t := range []*Text{c.Wallet.ChainID, c.Wallet.Account, c.Wallet.PrivateKey, c.Wallet.Funds} {
			if t != nil {
				v.text(*t, node)
			}
		}
	}
	v.arrival(node)
	if c.Act.Tx != nil {
		v.text(*c.Act.Tx, only(roots, namesTx))
	}
	call := only(roots, namesCall)
	for _, name := range slices.Sorted(maps.Keys(c.Calls)) {
		v.used[name] = make(map[string]bool)
		if p := c.Calls[name].Path; p != nil {
			maps.Copy(v.used[name], v.text(*p, call))
		}
		if p := c.Calls[name].Params; p != nil {
			v.value(*p, call, v.used[name])
		}
	}
}

// value checks the names in a parameter and adds those of the top to used.
func (v *chainValidator) value(p Value, root *shape, used map[string]bool) {
	if p.Text != nil {
		maps.Copy(used, v.text(*p.Text, root))
	}
	for _, item := range p.List {
		v.value(item, root, used)
	}
	for _, f := range p.Fields {
		v.value(f.Value, root, used)
	}
}

// uses checks every place that names calls.
func (v *chainValidator) uses() {
	c := v.c
	o := &c.Observe
	v.use("height", o.Height.Calls, namesNode)
	v.use("head", o.Head.Calls, namesNode)
	v.use("block", o.Block.Calls, namesBlock)
	for _, ref := range o.Block.Calls {
		o.Block.ByHash = o.Block.ByHash || v.used[ref.Name]["Hash"]
	}
	if o.Finalized != nil {
		v.use("finalized", o.Finalized.Calls, namesNode)
	}
	if o.Peers != nil {
		v.use("observe.peers", o.Peers.Calls, namesNode)
	}
	if o.Genesis != nil {
		v.use("observe.genesis", o.Genesis.Calls, namesNode)
	}
	if c.Ready != nil {
		v.use("ready", c.Ready.Calls, namesNode)
	}
	v.use("peers", c.Peers.Calls, namesPeer)
	if f := c.FirstBlock; f != nil {
		v.use("first_block.make", f.Make, namesNode)
		v.use("first_block.give", f.Give, append(slices.Clone(namesNode), "Last"))
	}
	for _, w := range c.WarmUp {
		v.use("warm_up", w.Calls, namesNode)
	}
	if coins := c.Act.Coins; coins != nil {
		v.use("coins", coins.Calls, namesNode)
		if kind, ok := c.Keys[coins.Key]; !ok {
			v.failf(coins.Pos, strictyaml.Suggest(coins.Key, "keys", c.KeyNames), "coins: there is no key %q", strictyaml.Shorten(coins.Key))
		} else if kind != KeySecp256k1 {
			v.failf(coins.Pos, "write it so in keys: "+coins.Key+": secp256k1", "coins: key %s is %s, and transactions are signed by secp256k1", coins.Key, kind)
		}
	}
	if c.Act.Submit != nil {
		names := namesTx
		if c.Act.Tx != nil || c.Act.Coins != nil {
			names = namesSubmit
		}
		v.use("submit", c.Act.Submit.Calls, names)
	}
	if c.Act.MakeBlock != nil {
		v.use("make_block", c.Act.MakeBlock.Calls, namesNode)
	}
	if c.Act.Leader != nil {
		v.use("leader", c.Act.Leader.Calls, namesNode)
	}
}

// use checks that calls exist, and that their templates name nothing which is not known where they are used.
func (v *chainValidator) use(where string, calls []CallRef, names []string) {
	for i, ref := range calls {
		used, ok := v.used[ref.Name]
		if !ok {
			hint := strictyaml.Suggest(ref.Name, "calls", slices.Sorted(maps.Keys(v.c.Calls)))
			v.failf(ref.Pos, hint, "%s: there is no call %q", where, strictyaml.Shorten(ref.Name))
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(used)) {
			switch {
			case slices.Contains(names, name) || name == "Last" && i > 0 || !slices.Contains(namesCall, name):
			case name == "Last":
				v.failf(ref.Pos, "list the call whose result it is before it", "%s: call %q uses .Last, but no call is made before it",
					where, ref.Name)
			default:
				v.failf(ref.Pos, "known here: ."+strings.Join(names, ", ."), "%s: call %q uses .%s, which is not known here",
					where, ref.Name, name)
			}
		}
	}
}

// arrival checks the names that a subscription uses.
func (v *chainValidator) arrival(node *shape) {
	a := v.c.Observe.Arrival
	if a == nil || a.Websocket == nil {
		return
	}
	for _, t := range a.Websocket.Send {
		v.text(t, node)
	}
	if a.Websocket.Port == "" {
		a.Websocket.Port = v.c.RPC.Port
	} else if _, ok := v.c.Ports[a.Websocket.Port]; !ok {
		hint := strictyaml.Suggest(a.Websocket.Port, "ports", slices.Sorted(maps.Keys(v.c.Ports)))
		v.failf(a.Websocket.Pos, hint, "websocket: there is no port %q", strictyaml.Shorten(a.Websocket.Port))
	}
}

// checkLinkerFlags refuses flags for the linker that are not known to be harmless: others name files, which the linker, a
// process of the user's own, would read or overwrite. It splits the text as the go command does.
func checkLinkerFlags(text string) error {
	const known = "allowed are -s, -w, -X NAME=VALUE, -buildid=TEXT, -checklinkname=0 and -compressdwarf=false"
	rest := strings.TrimSpace(text)
	if rest != "" && rest[0] != '-' { // the go command would take it for a pattern of packages
		return fmt.Errorf("ldflags: %q is no flag; %s", strictyaml.Shorten(rest), known)
	}
	variable := false // the next field is that of -X
	for {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" {
			break
		}
		field := rest
		if quote := rest[0]; quote == '"' || quote == '\'' {
			end := strings.IndexByte(rest[1:], quote)
			if end < 0 {
				return fmt.Errorf("ldflags: the quotation that begins with %q does not end", strictyaml.Shorten(rest))
			}
			field, rest = rest[1:1+end], rest[2+end:]
		} else if end := strings.IndexAny(rest, " \t\r\n"); end >= 0 {
			field, rest = rest[:end], rest[end:]
		} else {
			rest = ""
		}
		name, value, hasValue := strings.Cut(field, "=")
		switch {
		case variable:
			variable = false
			if !linkerVariable.MatchString(field) {
				return fmt.Errorf("ldflags: -X %q does not name a variable and its value", strictyaml.Shorten(field))
			}
		case field == "-X":
			variable = true
		case name == "-X" && linkerVariable.MatchString(value):
		case (name == "-s" || name == "-w") && (!hasValue || value == "true" || value == "false"):
		case name == "-buildid" && hasValue:
		case (name == "-checklinkname" || name == "-compressdwarf") && (value == "0" || value == "1" || value == "true" || value == "false"):
		default:
			return fmt.Errorf("ldflags: %q is not allowed; %s", strictyaml.Shorten(field), known)
		}
	}
	if variable {
		return errors.New("ldflags: -X lacks its variable")
	}
	return nil
}

// linkerVariable is what -X sets.
var linkerVariable = regexp.MustCompile(`^[A-Za-z0-9_][^=\s]*\.[A-Za-z_][A-Za-z0-9_]*=`)
