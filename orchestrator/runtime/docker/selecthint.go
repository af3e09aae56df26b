package docker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/netsplit/netsplit/faults"
)

// composeProject is the label that docker-compose puts on the containers of a project.
const composeProject = "com.docker.compose.project"

// maxListed is the most names that a hint lists.
const maxListed = 8

// nameHint says which containers may have been meant by a name that none has.
func nameHint(all []container.Summary, name string) string {
	var names, within []string
	for _, c := range all {
		if isOurs(c) {
			continue
		}
		if c.Labels[composeProject] == name {
			return fmt.Sprintf("did you mean --attach %s=%s, the compose project?", composeProject, name)
		}
		n := nameOf(c)
		if strings.Contains(n, name) || c.Labels[composeService] == name {
			within = append(within, n)
		}
		if c.State == container.StateRunning {
			names = append(names, n)
		}
	}
	if len(within) > 0 {
		return "did you mean " + listed(within, " or ") + "?"
	}
	if near := faults.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "containers that run: " + listed(names, ", ")
}

// labelHint says which labels may have been meant by some that no container has together.
func labelHint(all []container.Summary, labels []string) string {
	values := map[string][]string{} // of labels by their keys
	var keys []string
	for _, c := range all {
		if isOurs(c) {
			continue
		}
		for k, v := range c.Labels {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
			if !slices.Contains(values[k], v) {
				values[k] = append(values[k], v)
			}
		}
	}
	slices.Sort(keys)
	for _, label := range labels {
		key, want, valued := strings.Cut(label, "=")
		there := values[key]
		switch {
		case len(there) == 0:
			return keyHint(key, keys, values[composeProject])
		case valued && !slices.Contains(there, want):
			if near := faults.Nearest(want, there); near != "" {
				return fmt.Sprintf("did you mean %s=%s?", key, near)
			}
			return fmt.Sprintf("values of %s that containers have: %s", key, listed(there, ", "))
		}
	}
	return "of several labels a container must have all"
}

// keyHint says which label may have been meant by a key that no container has.
func keyHint(key string, keys, projects []string) string {
	switch near := faults.Nearest(key, keys); {
	case near != "":
		return fmt.Sprintf("did you mean the label %s?", near)
	case len(projects) > 0:
		return fmt.Sprintf("compose projects here, by the label %s: %s", composeProject, listed(projects, ", "))
	}
	return "labels that containers have: " + listed(keys, ", ")
}

// wakeHint says what to do about containers that do not run.
func wakeHint(idle []container.Summary) string {
	var start, wake []string
	for _, c := range idle {
		if c.State == container.StatePaused {
			wake = append(wake, nameOf(c))
			continue
		}
		start = append(start, nameOf(c))
	}
	var do []string
	if len(start) > 0 {
		do = append(do, "docker start "+strings.Join(start, " ")+", or docker rm what is no node")
	}
	if len(wake) > 0 {
		do = append(do, "docker unpause "+strings.Join(wake, " "))
	}
	return strings.Join(do, "; ")
}

// states says what each container is.
func states(list []container.Summary) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s is %s", nameOf(c), c.State))
	}
	return listed(out, ", ")
}

func namesOf(list []container.Summary) []string {
	var out []string
	for _, c := range list {
		out = append(out, nameOf(c))
	}
	slices.SortFunc(out, compareNames)
	return out
}

// listed joins names, in order, and leaves most of a long list out.
func listed(names []string, sep string) string {
	names = slices.SortedFunc(slices.Values(names), compareNames)
	if over := len(names) - maxListed; over > 0 {
		names = append(names[:maxListed:maxListed], fmt.Sprintf("and %d more", over))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, sep)
}
