package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Breaking tells in which ways a schema would break who relies on the published one: writers of old
// data whose events would not be valid any more, and readers of members that are gone. None is a
// compatible change: words, examples, new optional members.
func Breaking(published, now []byte) ([]string, error) {
	before, err := shape(published)
	if err != nil {
		return nil, fmt.Errorf("published schema: %w", err)
	}
	after, err := shape(now)
	if err != nil {
		return nil, fmt.Errorf("new schema: %w", err)
	}
	return broken(before, after), nil
}

// broken compares what was promised about members, by their paths, with what is said now.
func broken(before, after map[string]string) (found []string) {
	for _, path := range slices.Sorted(maps.Keys(before)) {
		switch now, kept := after[path]; {
		case !kept:
			found = append(found, fmt.Sprintf("%s is gone, it was %q", path, before[path]))
		case now != before[path]:
			found = append(found, fmt.Sprintf("%s was %q and is %q", path, before[path], now))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		_, known := before[path]
		_, parentKnown := before[parent(path)]
		if !known && parentKnown && strings.HasSuffix(after[path], required) {
			found = append(found, path+" is new and required, and events without it exist")
		}
	}
	return found
}

const (
	// shapeDepthMax ends following a definition that refers to itself.
	shapeDepthMax = 16
	// root is the path of the event itself.
	root     = "."
	required = " required"
)

// parent is the path of the object or list that a path is in.
func parent(path string) string {
	if list, ok := strings.CutSuffix(path, "[]"); ok {
		return list
	}
	if i := strings.LastIndexByte(path, '.'); i > 0 {
		return path[:i]
	}
	return root
}

// shape is what a schema promises: for the path of each member, ".amount.currency" or ".items[].name",
// its type and whether it is always there. Where definitions are kept does not matter.
func shape(schema []byte) (map[string]string, error) {
	var d document
	if err := json.Unmarshal(schema, &d); err != nil {
		return nil, err
	}
	promises := map[string]string{}
	describe(promises, root, d, d.Definitions, 0)
	return promises, nil
}

func describe(promises map[string]string, path string, d document, definitions map[string]document, depth int) {
	if depth > shapeDepthMax {
		return
	}
	d = resolve(definitions, d)
	promises[path] = constraints(d) + promises[path] // the caller has said whether it is required
	prefix := strings.TrimSuffix(path, root)
	for name, member := range d.Properties {
		at := prefix + "." + name
		if slices.Contains(d.Required, name) {
			promises[at] = required
		}
		describe(promises, at, member, definitions, depth+1)
	}
	if d.Items != nil {
		describe(promises, prefix+"[]", *d.Items, definitions, depth+1)
	}
}

// constraints are what a schema says about a value, without what is in it.
func constraints(d document) string {
	out := "any"
	if d.Type != nil {
		out = fmt.Sprint(d.Type)
	}
	for _, c := range []struct{ name, value string }{{"format", d.Format}, {"pattern", d.Pattern}, {"encoding", d.Encoding}} {
		if c.value != "" {
			out += " " + c.name + "=" + c.value
		}
	}
	if d.Enum != nil {
		out += fmt.Sprintf(" enum=%v", d.Enum)
	}
	return out
}

// resolve follows a reference to a definition of the same document.
func resolve(definitions map[string]document, d document) document {
	if name, ok := strings.CutPrefix(d.Ref, "#/$defs/"); ok {
		return definitions[name]
	}
	return d
}
