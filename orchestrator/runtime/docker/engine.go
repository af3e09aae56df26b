package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// ErrUnavailable is wrapped when no usable engine answers on this machine. The error is then an *UnavailableError.
var ErrUnavailable = errors.New("docker is not available")

// DefaultHost is the address of the engine where neither the environment nor a docker context names one. Tests set it.
var DefaultHost = client.DefaultDockerHost

// UnavailableError says why there is no usable engine.
type UnavailableError struct {
	// Host is the engine's address; empty where it could not be found out.
	Host string
	// Named says what names this engine, such as DOCKER_HOST; empty for the engine at the default address.
	Named  string
	Err    error
	Advice string // what to do; may be empty
	// Absent is true where nothing answers at the address, as opposed to an engine that cannot be used.
	Absent bool
}

// Error implements error.
func (e *UnavailableError) Error() string { return ErrUnavailable.Error() + ": " + e.Reason() }

// Reason is the error without its beginning.
func (e *UnavailableError) Reason() string {
	text := e.Err.Error()
	switch {
	case e.Named != "" && e.Host != "":
		text += fmt.Sprintf(" (%s, named by %s)", e.Host, e.Named)
	case e.Named != "":
		text += fmt.Sprintf(" (named by %s)", e.Named)
	default:
		text += fmt.Sprintf(" (%s)", e.Host)
	}
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// Unwrap implements errors.Unwrap.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// Unreachable reports whether an error says that no engine answers, or that one that did no longer does.
func Unreachable(err error) bool {
	return errors.Is(err, ErrUnavailable) || client.IsErrConnectionFailed(err)
}

const (
	// pingTimeout bounds the first requests. An engine on an idle machine answers in milliseconds, one that is started by its
	// first request, as podman's is, in seconds. Without an engine the connection fails at once.
	pingTimeout = 30 * time.Second
	// noticeAfter is how long the engine may take before WithNotices's function says what is waited for.
	noticeAfter = time.Second
)

// noticesKey is the key of a context's function for notices.
type noticesKey struct{}

// WithNotices returns a context for the calls of this package in which notify is told what is waited for, when an engine
// does not answer at once. notify may be called from another goroutine, but not after the call has returned.
func WithNotices(ctx context.Context, notify func(text string)) context.Context {
	return context.WithValue(ctx, noticesKey{}, notify)
}

// noticeUnless gives a notice when stop is not called in time.
func noticeUnless(ctx context.Context, format string, args ...any) (stop func()) {
	notify, _ := ctx.Value(noticesKey{}).(func(string))
	if notify == nil {
		return func() {}
	}
	done := make(chan struct{})
	timer := time.AfterFunc(noticeAfter, func() {
		defer close(done)
		notify(fmt.Sprintf(format, args...))
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}

// Available returns the version of the local engine, and fails when testnets cannot run there. It takes milliseconds, and
// at most pingTimeout where the engine hangs. The error is an *UnavailableError and says what to do.
func Available(ctx context.Context) (string, error) {
	s, err := openSession(ctx)
	if err != nil {
		return "", err
	}
	return s.version, s.Detach()
}

// inPlace is checkPlace for the engine that connect opened.
func inPlace(ctx context.Context, cli *client.Client) error {
	end, err := findEndpoint()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	defer noticeUnless(ctx, "waiting up to %v for the engine at %s to describe its networks", pingTimeout, end.host)()
	return checkPlace(ctx, cli, end)
}

// connect opens the engine that the environment or a docker context names, else that at the default address, and returns
// its version.
func connect(ctx context.Context) (*client.Client, string, error) {
	cli, end, err := dial(ctx)
	if err != nil {
		return nil, "", err
	}
	ping, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	stop := noticeUnless(ctx, "waiting up to %v for the engine at %s to answer", pingTimeout, end.host)
	v, err := cli.ServerVersion(ping)
	stop()
	if err != nil {
		cli.Close()
		return nil, "", end.unavailable(err)
	}
	if strings.Contains(v.Platform.Name, "Docker Desktop") {
		cli.Close()
		return nil, "", end.fail("use --runtime sim, or run netsplit on Linux",
			"Docker Desktop runs containers in a virtual machine whose addresses cannot be reached from here")
	}
	return cli, v.Version, nil
}

// dial opens a client without a request.
func dial(ctx context.Context) (*client.Client, endpoint, error) {
	end, err := findEndpoint()
	if err != nil {
		return nil, end, err
	}
	if err := end.checkLocal(ctx); err != nil {
		return nil, end, err
	}
	cli, err := client.NewClientWithOpts(append(end.opts, client.WithVersionFromEnv(), client.WithAPIVersionNegotiation())...)
	if err != nil {
		return nil, end, end.fail("", "%w", err)
	}
	return cli, end, nil
}

// endpoint is where the engine is expected.
type endpoint struct {
	host  string
	named string // what names it; empty for the default
	opts  []client.Opt
}

// findEndpoint finds the engine by the rules of the docker command: DOCKER_HOST, else DOCKER_CONTEXT, else the current
// context of docker's configuration, else the default address.
func findEndpoint() (endpoint, error) {
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return endpoint{host: host, named: client.EnvOverrideHost, opts: []client.Opt{
			client.WithTLSClientConfigFromEnv(), client.WithHost(host),
		}}, nil
	}
	dir := configDir()
	name, named := os.Getenv("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	if name == "" && dir != "" {
		file := filepath.Join(dir, "config.json")
		var config struct {
			CurrentContext string `json:"currentContext"`
		}
		if err := readJSON(file, &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return endpoint{}, &UnavailableError{Named: file, Err: fmt.Errorf("read docker's configuration: %w", err)}
		}
		name, named = config.CurrentContext, "docker context "+config.CurrentContext
	}
	if name == "" || name == "default" {
		return endpoint{host: DefaultHost, opts: []client.Opt{client.WithHost(DefaultHost)}}, nil
	}
	return contextEndpoint(dir, name, named)
}

// contextEndpoint reads a docker context from docker's configuration.
func contextEndpoint(dir, name, named string) (endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := readJSON(filepath.Join(dir, "contexts", "meta", id, "meta.json"), &meta); err != nil {
		return endpoint{}, &UnavailableError{
			Named: named, Err: fmt.Errorf("read docker context %q: %w", name, err),
			Advice: "`docker context ls` lists the contexts, `docker context use default` goes back to the default",
		}
	}
	docker := meta.Endpoints["docker"]
	if docker.Host == "" {
		docker.Host = DefaultHost
	}
	end := endpoint{host: docker.Host, named: named}
	if certs := filepath.Join(dir, "contexts", "tls", id, "docker"); isDir(certs) {
		withTLS, err := tlsFrom(certs, docker.SkipTLSVerify)
		if err != nil {
			return end, end.fail("", "read the certificates of docker context %q: %w", name, err)
		}
		end.opts = append(end.opts, withTLS)
	}
	end.opts = append(end.opts, client.WithHost(docker.Host))
	return end, nil
}

// tlsFrom uses those of the usual certificates that are in a directory.
func tlsFrom(dir string, insecure bool) (client.Opt, error) {
	options := tlsconfig.Options{InsecureSkipVerify: insecure, ExclusiveRootPools: true}
	for name, file := range map[string]*string{
		"ca.pem": &options.CAFile, "cert.pem": &options.CertFile, "key.pem": &options.KeyFile,
	} {
		if path := filepath.Join(dir, name); isFile(path) {
			*file = path
		}
	}
	config, err := tlsconfig.Client(options)
	if err != nil {
		return nil, err
	}
	return client.WithHTTPClient(&http.Client{
		Transport: &http.Transport{TLSClientConfig: config}, CheckRedirect: client.CheckRedirect,
	}), nil
}

// configDir is docker's directory for the configuration of this user; empty where there is none.
func configDir() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, err := runtime.HomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// fail is the error about an engine that cannot be used.
func (e endpoint) fail(advice, format string, args ...any) error {
	return &UnavailableError{Host: e.host, Named: e.named, Err: fmt.Errorf(format, args...), Advice: advice}
}

// lookupTimeout bounds the search for the address of an engine that is given by a name.
const lookupTimeout = 5 * time.Second

// checkLocal refuses engines on other machines: the orchestrator connects to nodes at their containers' addresses.
func (e endpoint) checkLocal(ctx context.Context) error {
	u, err := url.Parse(e.host)
	if err == nil && u.Scheme == "unix" {
		return nil
	}
	where := "not on this machine"
	if err == nil && (u.Scheme == "tcp" || u.Scheme == "http" || u.Scheme == "https") {
		lookup, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		addrs, err := net.DefaultResolver.LookupNetIP(lookup, "ip", u.Hostname())
		if err == nil && isLocal(addrs) {
			return nil
		}
		if err != nil {
			where = fmt.Sprintf("not known to be on this machine (%v)", err)
		}
	}
	advice := "run netsplit there"
	if e.named != "" {
		advice += ", or do not set " + e.named
		if strings.HasPrefix(e.named, "docker context") {
			advice = "run netsplit there, or `docker context use default`"
		}
	}
	return e.fail(advice, "the engine is %s, and its containers' addresses cannot be reached from here", where)
}

// isLocal reports whether all addresses are this machine's own.
func isLocal(addrs []netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil || len(addrs) == 0 {
		return false
	}
	mine := map[netip.Addr]bool{}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			mine[p.Addr().Unmap()] = true
		}
	}
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); !a.IsLoopback() && !mine[a] {
			return false
		}
	}
	return true
}

// unavailable returns why the engine did not answer, with what to do.
func (e endpoint) unavailable(err error) error {
	version := os.Getenv(client.EnvOverrideAPIVersion)
	out := &UnavailableError{Host: e.host, Named: e.named, Err: err}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		out.Err, out.Advice = os.ErrPermission, "join the docker group, or run as root"
	case errors.Is(err, context.DeadlineExceeded):
		out.Err = fmt.Errorf("the engine did not answer within %v", pingTimeout)
	case client.IsErrConnectionFailed(err):
		out.Absent, out.Advice = true, "is it running? systemctl start docker"
		if strings.HasPrefix(err.Error(), "Cannot connect") { // which says no more than that
			out.Err = errors.New("no engine answers")
		}
	case version != "":
		out.Advice = fmt.Sprintf("unset %s, which is %s: netsplit uses a version that the engine has", client.EnvOverrideAPIVersion, version)
	}
	return out
}

// gone reports that what was to be removed does not exist, or is being removed by somebody else; the next listing shows it.
func gone(err error) bool {
	return errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is already in progress")
}
