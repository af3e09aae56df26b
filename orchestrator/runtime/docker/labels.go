package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Labels on everything that this package makes.
const (
	labelTool     = "dev.netsplit.tool"
	labelTestnet  = "dev.netsplit.testnet"
	labelScenario = "dev.netsplit.scenario"
	labelDir      = "dev.netsplit.dir"
	labelNode     = "dev.netsplit.node"
	labelRole     = "dev.netsplit.role"
	labelAddr     = "dev.netsplit.addr"
	// labelOwner is the processID of the netsplit that started the testnet.
	labelOwner = "dev.netsplit.owner"
	// labelSocket is on the agent's container alone: the path of its socket on the host.
	labelSocket = "dev.netsplit.socket"
	// labelRestore is on the agent of attached containers: the path of their restore journal, where there is one.
	labelRestore = "dev.netsplit.restore"
	// labelContent is on images: the hash of what is in them.
	labelContent = "dev.netsplit.content"
	// labelKind is on containers that are neither node nor agent, and says what they are.
	labelKind = "dev.netsplit.kind"
	// labelTestOwner is on all that is made on behalf of a test of netsplit: the processID of that test.
	labelTestOwner = "dev.netsplit.test-owner"

	kindCommand = "command" // it runs a command of a chain file

	tool = "netsplit"
)

// testOwner is the environment variable with the processID of the test for which this process works. Tests set it with
// OwnTests; it is inherited by what they start. It is never set in production.
const testOwner = "NETSPLIT_TEST_OWNER"

// TestLabels returns the labels of what a test makes on the engine by itself, without a Runtime; empty outside of tests.
func TestLabels() map[string]string {
	labels := map[string]string{}
	if id := os.Getenv(testOwner); id != "" {
		labels[labelTestOwner] = id
	}
	return labels
}

// testnetLabels are on everything that a testnet is made of.
func testnetLabels(plan runtime.Plan) map[string]string {
	labels := TestLabels()
	labels[labelTool] = tool
	labels[labelTestnet] = plan.ID
	labels[labelScenario] = plan.Name
	labels[labelDir] = plan.Dir
	labels[labelOwner] = processID(os.Getpid())
	return labels
}

// byTool selects everything that this package ever made.
func byTool() filters.Args {
	return filters.NewArgs(filters.Arg("label", labelTool+"="+tool))
}

// byTestnet selects what belongs to one testnet.
func byTestnet(id string) filters.Args {
	f := byTool()
	f.Add("label", labelTestnet+"="+id)
	return f
}

// networkName is the name of a testnet's network.
func networkName(testnet string) string { return "netsplit-" + testnet }

// containerName is the name of a node's container.
func containerName(testnet string, node faults.NodeID) string {
	return "netsplit-" + testnet + "-" + string(node)
}

// agentName is the name of the agent's container. A node's name has no dot, so the two never clash.
func agentName(testnet string) string { return "netsplit-" + testnet + ".agent" }

// bridgeName is the name of a testnet's bridge on the host; the kernel allows 15 bytes.
func bridgeName(testnet string) string {
	sum := sha256.Sum256([]byte(testnet))
	return "nsp" + hex.EncodeToString(sum[:6])
}

// nameOf is a container's name without the engine's slash, or its id.
func nameOf(c container.Summary) string {
	if len(c.Names) == 0 {
		return c.ID
	}
	return strings.TrimPrefix(c.Names[0], "/")
}
