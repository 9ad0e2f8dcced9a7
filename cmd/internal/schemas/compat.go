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
	var before, after document
	if err := json.Unmarshal(published, &before); err != nil {
		return nil, fmt.Errorf("published schema: %w", err)
	}
	if err := json.Unmarshal(now, &after); err != nil {
		return nil, fmt.Errorf("new schema: %w", err)
	}
	c := comparison{before: before.Definitions, after: after.Definitions}
	c.compare("", before, after)
	return c.found, nil
}

type comparison struct {
	before, after map[string]document
	found         []string
	depth         int
}

// comparisonDepthMax ends comparing a definition that refers to itself.
const comparisonDepthMax = 16

func (c *comparison) say(where, format string, args ...any) {
	if where == "" {
		where = "the event"
	}
	c.found = append(c.found, where+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) compare(where string, before, after document) {
	if c.depth++; c.depth > comparisonDepthMax {
		c.depth--
		return
	}
	defer func() { c.depth-- }()
	before, after = resolve(c.before, before), resolve(c.after, after)
	if b, a := fmt.Sprint(before.Type), fmt.Sprint(after.Type); b != a {
		c.say(where, "its type was %s and is %s", b, a)
	}
	if before.Format != after.Format {
		c.say(where, "its format was %q and is %q", before.Format, after.Format)
	}
	if before.Pattern != after.Pattern {
		c.say(where, "its pattern was %q and is %q", before.Pattern, after.Pattern)
	}
	if b, a := fmt.Sprint(before.Enum), fmt.Sprint(after.Enum); b != a {
		c.say(where, "its values were %s and are %s", b, a)
	}
	for _, name := range slices.Sorted(maps.Keys(before.Properties)) {
		member, kept := after.Properties[name]
		if !kept {
			c.say(where+"."+name, "it is gone")
			continue
		}
		c.compare(where+"."+name, before.Properties[name], member)
	}
	for _, name := range after.Required {
		if !slices.Contains(before.Required, name) {
			c.say(where+"."+name, "it is required now, and events without it exist")
		}
	}
	for _, name := range before.Required {
		if !slices.Contains(after.Required, name) {
			c.say(where+"."+name, "readers could rely on it, and now it may be missing")
		}
	}
	switch {
	case before.Items != nil && after.Items != nil:
		c.compare(where+"[]", *before.Items, *after.Items)
	case before.Items != nil || after.Items != nil:
		c.say(where, "its items changed")
	}
}

// resolve follows a reference to a definition of the same document.
func resolve(definitions map[string]document, d document) document {
	if name, ok := strings.CutPrefix(d.Ref, "#/$defs/"); ok {
		return definitions[name]
	}
	return d
}
