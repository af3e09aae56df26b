package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

func chainCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "chain",
		Usage: "list, write and check chain files",
		Subcommands: []*ucli.Command{
			{
				Name:  "ls",
				Usage: "list the built-in chain files",
				Flags: []ucli.Flag{jsonFlag()},
				Action: func(c *ucli.Context) error {
					chains := testnets.Chains()
					var rows [][]string
					for _, x := range chains {
						rows = append(rows, []string{x.Name, x.Description})
					}
					return e.output(c).table(chains, []string{"chain", "what it is"}, rows)
				},
			},
			{
				Name:      "show",
				Usage:     "print a chain file",
				ArgsUsage: "CHAIN",
				Action: func(c *ucli.Context) error {
					file, err := testnets.OpenChain(c.Args().First())
					if err != nil {
						return usageError(err)
					}
					_, err = fmt.Fprintf(e.stdout, "%s", file.Source)
					return err
				},
			},
			chainInitCommand(e), chainCheckCommand(e), chainImageCommand(e),
		},
	}
}

// chainImageCommand serves users who start nodes themselves, to attach to them later.
func chainImageCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "image",
		Usage:     "build the image of a chain's nodes if it does not exist, and print its reference",
		ArgsUsage: "CHAIN",
		Action: func(c *ucli.Context) error {
			file, err := testnets.OpenChain(c.Args().First())
			if err != nil {
				return usageError(err)
			}
			d, err := docker.New(c.Context, docker.Options{})
			if err != nil {
				return noEngine(err)
			}
			chain := external.New(file, d, d.Transport(), func(text string) { fmt.Fprintf(e.stderr, "  %s\n", text) })
			ref, err := chain.Capabilities().BuildImage(c.Context)
			if err == nil {
				_, err = fmt.Fprintln(e.stdout, ref)
			}
			return errors.Join(err, d.Detach())
		},
	}
}

const (
	flagFamily = "family"
	flagRPC    = "rpc"
)

// imageSources are the ways to an image, in the order in which they are shown.
var imageSources = []string{"go", "binary", "ref", "dockerfile"}

func chainInitCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "init",
		Usage:     "write a commented chain file to start from",
		ArgsUsage: "NAME",
		Description: "Writes NAME.yaml. Put in the arguments, calls and jq expressions of your node. " +
			"An existing file is never overwritten.\n" +
			"For example: netsplit chain init mychain --image go:example.org/mychain/cmd/node@v1.2.3",
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: flagFamily, Value: chainspec.FamilyBFT, DefaultText: chainspec.FamilyBFT,
				Usage: "kind of `CONSENSUS`: " + strings.Join(testnets.StarterFamilies, ", ")},
			&ucli.StringFlag{Name: flagRPC, Value: chainspec.JSONRPC2, DefaultText: chainspec.JSONRPC2,
				Usage: "`PROTOCOL` of the node's RPC: " + strings.Join(testnets.StarterRPCs, ", ")},
			&ucli.StringFlag{Name: flagImage, DefaultText: "binary:./NAME",
				Usage: "`SOURCE` of the program: go:MODULE/cmd@VERSION, binary:PATH, ref:IMAGE or dockerfile:PATH"},
			&ucli.StringFlag{Name: flagOut, Usage: "write to `FILE`; - is standard output", DefaultText: "NAME.yaml", TakesFile: true},
		},
		Action: func(c *ucli.Context) error { return initChain(c, e.stdout) },
	}
}

func initChain(c *ucli.Context, w io.Writer) error {
	s, err := starterOf(c)
	if err != nil {
		return err
	}
	text, err := testnets.StarterChain(s)
	if err != nil {
		var bad *strictyaml.Error
		if errors.As(err, &bad) { // about a file that does not exist yet: its position says nothing
			return usagef(bad.Hint, "chain init: %s", bad.Msg)
		}
		return err
	}
	file := c.String(flagOut)
	switch file {
	case "-":
		_, err = w.Write(text)
		return err
	case "":
		file = s.Name + ".yaml"
	}
	if err := writeNew(file, text); err != nil {
		return err
	}
	shown := file
	if !strings.ContainsAny(shown, "/"+string(os.PathSeparator)) {
		shown = "./" + shown
	}
	fmt.Fprintf(w, "wrote %s\nnext: put in how your node is started and queried, then: netsplit chain check %s\n", file, shellWord(shown))
	return nil
}

// starterOf reads what the command line says about a new chain file.
func starterOf(c *ucli.Context) (s testnets.Starter, err error) {
	s = testnets.Starter{Name: c.Args().First(), Family: c.String(flagFamily), RPC: c.String(flagRPC)}
	if !slices.Contains(testnets.StarterFamilies, s.Family) {
		return s, usagef("one of "+strings.Join(testnets.StarterFamilies, ", "), "--%s cannot be %q", flagFamily, s.Family)
	}
	if !slices.Contains(testnets.StarterRPCs, s.RPC) {
		return s, usagef("one of "+strings.Join(testnets.StarterRPCs, ", "), "--%s cannot be %q", flagRPC, s.RPC)
	}
	image := c.String(flagImage)
	if image == "" {
		image = "binary:./" + s.Name
	}
	source, value, _ := strings.Cut(image, ":")
	value = strings.TrimSpace(value)
	fields := map[string]*string{
		"go": &s.Image.Go, "binary": &s.Image.Binary, "ref": &s.Image.Ref, "dockerfile": &s.Image.Dockerfile,
	}
	field, ok := fields[source]
	if !ok || value == "" {
		return s, usagef("write "+strings.Join(imageSources, ":..., ")+":..., for example ref:example/node:v1",
			"--%s cannot be %q", flagImage, image)
	}
	*field = value
	return s, nil
}

// writeNew writes a file that must not exist yet.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usagef("name another with --out, or remove it first", "%s exists and is not overwritten", file)
	}
	if err != nil {
		return usagef("name another with --out", "write the chain file: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return infrastructure(fmt.Errorf("write the chain file: %w", err), "")
	}
	return nil
}
