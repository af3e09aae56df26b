package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// errNoContainers is the error of a chain that must be prepared for a runtime without containers.
var errNoContainers = errors.New("this runtime has no containers, which the nodes of a chain file need")

const (
	// maxSteps is for how many nodes a step is run at a time.
	maxSteps = 4
	// stepHint is what to do about a step that fails.
	stepHint = "a step's container has the image's files, those of `files` and those kept by steps before it, and no network"
)

// preparer makes what the nodes of a network are started with: the image, the values that steps capture, and each node's
// arguments and files. It owns the files that steps keep. It sees no running node.
type preparer struct {
	file       *chainspec.Chain
	containers Containers
	secrets    *redactor
	progress   func(string)
	image      string // once it is made

	net    *network
	common map[string][]byte // files that steps kept for all nodes
	files  map[*member]map[string][]byte
}

// buildImage makes the image, once, and returns its reference.
func (p *preparer) buildImage(ctx context.Context) (ref string, err error) {
	switch {
	case p.image != "":
		return p.image, nil
	case p.containers == nil:
		return "", fmt.Errorf("prepare chain %s: %w", p.file.Name, errNoContainers)
	}
	i := p.file.Image
	source := runtime.ImageSource{Go: i.Go, LDFlags: i.LDFlags, Ref: i.Ref, Binary: i.Binary, Dockerfile: i.Dockerfile}
	p.image, err = p.containers.BuildImage(ctx, source, p.progress)
	if err != nil {
		return "", p.fileError(ctx, i.Pos, imageHint(i), fmt.Errorf("make the image of chain %s: %w", p.file.Name, err))
	}
	return p.image, nil
}

// imageHint is what to do about an image that cannot be made.
func imageHint(i chainspec.ImageSpec) string {
	switch {
	case i.Go != "":
		program, _, _ := strings.Cut(i.Go, "@")
		return "`go install` must be able to build it; `go list -m -versions MODULE` lists the versions of the module that holds " + program
	case i.Binary != "" || i.Dockerfile != "":
		path, _ := filepath.Abs(i.Binary + i.Dockerfile) // one of them; it is empty where that cannot be found out
		return "the path begins where the chain file is: " + path
	}
	return "`docker images` lists what there is; nothing is pulled"
}

// fileError makes a FileError of an error about a place in the file, unless it was the end of the context or is about this
// host.
func (p *preparer) fileError(ctx context.Context, pos strictyaml.Pos, hint string, err error) error {
	if host := (*runtime.HostError)(nil); ctx.Err() != nil || errors.As(err, &host) {
		return fmt.Errorf("%s: %w", at(p.file, pos), err)
	}
	err = p.secrets.err(err)
	return &FileError{p.secrets.errorAt(pos, err.Error(), hint), err}
}

// runSteps runs the steps of the preparation in turn.
func (p *preparer) runSteps(ctx context.Context, net *network) error {
	p.net, p.common, p.files = net, make(map[string][]byte), make(map[*member]map[string][]byte)
	for _, m := range net.nodes {
		p.files[m] = make(map[string][]byte)
	}
	for i, s := range p.file.Prepare {
		if err := p.step(ctx, fmt.Sprintf("step %d of %d", i+1, len(p.file.Prepare)), s); err != nil {
			return err
		}
	}
	return nil
}

// step runs a step: once, or for every node. What it captures can be used when all of it is done.
func (p *preparer) step(ctx context.Context, name string, s chainspec.Step) error {
	fail := func(ctx context.Context, err error) error { return p.fileError(ctx, s.Pos, stepHint, err) }
	doing := fmt.Sprintf("preparing chain %s: %s", p.file.Name, name)
	if !s.EachNode {
		p.progress(doing)
		captured, err := p.runStep(ctx, s, nil)
		if err != nil {
			return fail(ctx, fmt.Errorf("prepare %s: %w", name, err))
		}
		p.net.capture(nil, captured)
		return nil
	}
	p.progress(fmt.Sprintf("%s for %d nodes", doing, len(p.net.nodes)))
	captured := make([]map[string]any, len(p.net.nodes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxSteps)
	for i, m := range p.net.nodes {
		group.Go(func() (err error) {
			if captured[i], err = p.runStep(ctx, s, m); err != nil {
				return fail(ctx, fmt.Errorf("prepare %s, node %s: %w", name, m.ID, err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, m := range p.net.nodes {
		p.net.capture(m, captured[i])
	}
	return nil
}

// runStep runs a step's command, for a node unless that is nil, and returns what it captured. Files that earlier steps kept
// for the node, or for all nodes, are there.
func (p *preparer) runStep(ctx context.Context, s chainspec.Step, m *member) (map[string]any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data := p.net.with(m, nil)
	command := runtime.Command{Image: p.image, Files: maps.Clone(p.common), Collect: slices.Clone(s.Keep)}
	if m != nil {
		command.Files = maps.Clone(p.files[m])
	}
	if err := renderFiles(s.Files, data, command.Files); err != nil {
		return nil, err
	}
	for _, t := range s.Run {
		arg, err := t.Render(data)
		if err != nil {
			return nil, err
		}
		command.Args = append(command.Args, arg)
	}
	for _, capture := range s.Capture {
		if capture.File != "" && !slices.Contains(command.Collect, capture.File) {
			command.Collect = append(command.Collect, capture.File)
		}
	}
	result, err := p.containers.RunCommand(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("run %q: %w", command.Args, err)
	}
	captured := make(map[string]any, len(s.Capture))
	for _, capture := range s.Capture {
		if captured[capture.Name], err = p.capture(ctx, capture, result); err != nil {
			return nil, fmt.Errorf("run %q: %w", command.Args, err)
		}
	}
	if m != nil {
		return captured, keepFiles(s, p.files[m], result)
	}
	for _, files := range p.files {
		if err := keepFiles(s, files, result); err != nil {
			return nil, err
		}
	}
	return captured, keepFiles(s, p.common, result)
}

// capture takes one value out of what a step gave. It is a secret from then on, unless the file says that it is public.
func (p *preparer) capture(ctx context.Context, capture chainspec.Capture, result runtime.CommandResult) (string, error) {
	text := strings.TrimSpace(string(result.Stdout))
	if capture.File != "" {
		content, ok := result.Files[capture.File]
		if !ok {
			return "", fmt.Errorf("%s: capture %s: the command left no file %s", at(p.file, capture.Pos), capture.Name, capture.File)
		}
		text = string(content)
	}
	value, failed := p.extract(ctx, capture, text)
	switch {
	case failed == nil:
	case capture.Public:
		return "", fmt.Errorf("capture %s: %w", capture.Name, failed.detail)
	default: // the text is not shown: what is wrong may be that it is another key
		return "", fmt.Errorf("capture %s: %s; the text, of %d bytes, may be a secret: `public: true` shows it",
			capture.Name, failed.summary, len(text))
	}
	if !capture.Public {
		p.secrets.addCaptured(value)
	}
	return value, nil
}

// captureFailure is why nothing can be captured: a summary that shows nothing of the text, and an error with some of it.
type captureFailure struct {
	summary string
	detail  error
}

// extract takes one value out of a text.
func (p *preparer) extract(ctx context.Context, capture chainspec.Capture, text string) (string, *captureFailure) {
	failed := func(pos strictyaml.Pos, what string, detail error) (string, *captureFailure) {
		return "", &captureFailure{at(p.file, pos) + ": " + what, detail}
	}
	switch {
	case capture.Match != nil:
		found, err := capture.Match.Find(text)
		if err != nil {
			pos, what := capture.Match.Pos, "match "+capture.Match.Source+": no match in the text"
			return failed(pos, what, fmt.Errorf("%s: %s; the text was %s", at(p.file, pos), what, p.secrets.brief(asJSON(text))))
		}
		return found, nil
	case capture.JQ == nil:
		return text, nil
	}
	value, err := decode([]byte(text))
	if err != nil {
		const what = "what was captured is not JSON"
		return failed(capture.Pos, what, fmt.Errorf("%s: %s: %w: %s", at(p.file, capture.Pos), what, err, p.secrets.brief(text)))
	}
	if value, err = p.secrets.run(ctx, *capture.JQ, value); err != nil {
		return failed(capture.JQ.Pos, "jq "+capture.JQ.Source+" fails", err)
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case nil, bool, []any, map[string]any:
		const what = "jq gave %s, which is neither text nor a number"
		return failed(capture.JQ.Pos, fmt.Sprintf(what, kindOf(v)), fmt.Errorf("%s: "+what, at(p.file, capture.JQ.Pos), p.secrets.show(v)))
	}
	return asJSON(value), nil
}

// keepFiles puts the files that a step is to leave among others.
func keepFiles(s chainspec.Step, files map[string][]byte, result runtime.CommandResult) error {
	for _, root := range s.Keep {
		found := false
		for path, content := range result.Files {
			if path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
				files[path] = content
				found = true
			}
		}
		if !found {
			return fmt.Errorf("keep %s: the command left no file there", root)
		}
	}
	return nil
}

// nodes renders how each node is started.
func (p *preparer) nodes(ctx context.Context) (out []chain.PreparedNode, err error) {
	for _, m := range p.net.nodes {
		n, err := p.node(m)
		if err != nil {
			return out, p.fileError(ctx, p.file.Start.Pos, "", fmt.Errorf("start of node %s: %w", m.ID, err))
		}
		out = append(out, n)
	}
	return out, nil
}

// node renders how a node is started. Files of `start` replace those that steps kept.
func (p *preparer) node(m *member) (chain.PreparedNode, error) {
	data := p.net.with(m, nil)
	out := chain.PreparedNode{
		Image: p.image, Account: m.account, Files: maps.Clone(p.files[m]), Sysctls: maps.Clone(p.file.Start.Sysctls),
		Memory: int64(p.file.Start.Memory),
	}
	for _, a := range p.file.Start.Args {
		args, err := p.args(a, m, data)
		if err != nil {
			return out, err
		}
		out.Args = append(out.Args, args...)
	}
	for _, t := range p.file.Start.Env {
		e, err := t.Render(data)
		if err != nil {
			return out, err
		}
		out.Env = append(out.Env, e)
	}
	return out, renderFiles(p.file.Start.Files, data, out.Files)
}

// args renders an argument, once or for each of the nodes that it is for.
func (p *preparer) args(a chainspec.Arg, m *member, data map[string]any) ([]string, error) {
	var of any
	switch a.For {
	case "":
		s, err := a.Text.Render(data)
		return []string{s}, err
	case chainspec.ForPeers:
		of = m.data["Peers"]
	case chainspec.ForNodes:
		of = data["Nodes"]
	case chainspec.ForProducers:
		of = data["Producers"]
	default:
		return nil, fmt.Errorf("%s: an argument for %q, which is none of peers, nodes and producers", at(p.file, a.Pos), a.For)
	}
	var out []string
	for _, peer := range of.([]map[string]any) {
		s, err := a.Text.Render(p.net.with(m, map[string]any{"Peer": peer}))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// renderFiles renders files into a map by path.
func renderFiles(files []chainspec.File, data map[string]any, into map[string][]byte) error {
	for _, f := range files {
		text, err := f.Text.Render(data)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		into[f.Path] = []byte(text)
	}
	return nil
}
