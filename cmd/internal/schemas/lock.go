package schemas

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// LockFile keeps what was ever published, beside the schemas themselves: one line for each member of each
// version of each type, such as
//
//	PaymentCaptured 1 .amount.currency string pattern=^[A-Z0-9]{3,}$ required
//
// Its lines are only ever added to. Whoever takes a member out of a Go type, together with the schema file
// or without it, must also take a line out of this file, which CI compares with the commits before.
const LockFile = "published.lock"

const lockHead = "# What the schemas promise. Made by go generate. Lines are added, and never changed or taken out.\n"

// Lock is the text of the lock file for schemas.
func Lock(all []Schema) ([]byte, error) {
	var lines []string
	for _, s := range all {
		promises, err := shape(s.Document)
		if err != nil {
			return nil, fmt.Errorf("schema of %s version %d: %w", s.Type, s.Version, err)
		}
		for path, promise := range promises {
			lines = append(lines, fmt.Sprintf("%s %d %s %s\n", s.Type, s.Version, path, promise))
		}
	}
	slices.Sort(lines)
	return []byte(lockHead + strings.Join(lines, "")), nil
}

// Withdrawn tells which promises of a published lock file a later one does not make any more, and where it
// asks for more than was published. None is compatible.
func Withdrawn(published, now []byte) ([]string, error) {
	before, err := parseLock(published)
	if err != nil {
		return nil, err
	}
	after, err := parseLock(now)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == nil {
			found = append(found, name+" is gone")
			continue
		}
		for _, what := range broken(before[name], after[name]) {
			found = append(found, name+": "+what)
		}
	}
	return found, nil
}

// parseLock reads the promises by "TYPE VERSION" and path.
func parseLock(text []byte) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for line := range bytes.Lines(text) {
		if line[0] == '#' {
			continue
		}
		words := strings.SplitN(strings.TrimSuffix(string(line), "\n"), " ", 4)
		if len(words) < 4 {
			return nil, fmt.Errorf("%s: %q is no promise", LockFile, line)
		}
		if _, err := strconv.Atoi(words[1]); err != nil {
			return nil, fmt.Errorf("%s: %q has no version", LockFile, line)
		}
		name := words[0] + " " + words[1]
		if all[name] == nil {
			all[name] = map[string]string{}
		}
		all[name][words[2]] = words[3]
	}
	return all, nil
}
