package wire

import (
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is one value of a parsed body, or the fact that the body does not have it. The zero Value
// is missing. Values are small; pass them by value.
type Value struct {
	doc   *document
	index int32
	// absent is the path, below the node at index, of a value that is not there.
	absent string
}

// Kind returns the value's type, Missing if the body does not have it.
func (v Value) Kind() Kind {
	if v.doc == nil || v.absent != "" {
		return Missing
	}
	return v.doc.nodes[v.index].kind
}

// Present reports whether the body has the value and it is not null.
func (v Value) Present() bool { return v.Kind() > Null }

// Get follows member names from object to object. Where one is missing, or is no object, the result
// is a missing Value that remembers the path.
func (v Value) Get(names ...string) Value {
	for _, name := range names {
		v = v.member(name)
	}
	return v
}

func (v Value) member(name string) Value {
	if v.Kind() == Object {
		n := &v.doc.nodes[v.index]
		for i := v.index + 1; i < n.next; i = v.doc.nodes[i].next {
			if v.doc.named(i, name) {
				return Value{doc: v.doc, index: i}
			}
		}
	}
	if v.absent != "" {
		name = v.absent + "." + name
	}
	v.absent = name
	return v
}

// named reports whether the member at i has the name, without copying it.
func (d *document) named(i int32, name string) bool {
	n := &d.nodes[i]
	if n.keyEscaped {
		return string(d.name(i)) == name
	}
	return string(d.body[n.keyStart:n.keyEnd]) == name
}

// First returns the first of some members that is present, or the last one looked for. It serves
// members that a gateway spells differently from version to version.
func (v Value) First(names ...string) Value {
	var found Value
	for _, name := range names {
		if found = v.Get(name); found.Present() {
			break
		}
	}
	return found
}

// Elements yields the elements of an array in order, and nothing for any other value.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		n := &v.doc.nodes[v.index]
		for i := v.index + 1; i < n.next; i = v.doc.nodes[i].next {
			if !yield(Value{doc: v.doc, index: i}) {
				return
			}
		}
	}
}

// Members yields the members of an object in the order of the body, and nothing for any other
// value.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		n := &v.doc.nodes[v.index]
		for i := v.index + 1; i < n.next; i = v.doc.nodes[i].next {
			if !yield(string(v.doc.name(i)), Value{doc: v.doc, index: i}) {
				return
			}
		}
	}
}

// Raw returns the value's bytes as they were sent; nil if it is missing. They belong to the body:
// the caller MUST NOT change them.
func (v Value) Raw() []byte {
	if v.Kind() == Missing {
		return nil
	}
	return v.token()
}

// token is Raw for a value that is known to be there.
func (v Value) token() []byte {
	n := &v.doc.nodes[v.index]
	return v.doc.body[n.start:n.end:n.end]
}

// Path tells where the value is, or would be: "status_changes[2].new_status"; empty for the whole
// body. Names that do not look like a member's name are shown as "?", for an attacker chooses them
// and paths end in logs.
func (v Value) Path() string {
	if v.doc == nil {
		return v.absent
	}
	path := v.doc.path(v.index)
	switch {
	case v.absent == "":
		return path
	case path == "":
		return v.absent
	}
	return path + "." + v.absent
}

func (d *document) path(i int32) string {
	var steps []string
	for ; d.nodes[i].parent >= 0; i = d.nodes[i].parent {
		parent := d.nodes[i].parent
		if d.nodes[parent].kind == Object {
			steps = append(steps, "."+plainName(d.name(i)))
			continue
		}
		position := 0
		for j := parent + 1; j != i; j = d.nodes[j].next {
			position++
		}
		steps = append(steps, "["+strconv.Itoa(position)+"]")
	}
	var path strings.Builder
	for j := len(steps) - 1; j >= 0; j-- {
		path.WriteString(steps[j])
	}
	return strings.TrimPrefix(path.String(), ".")
}

// plainName returns a name that may be shown.
func plainName(name []byte) string {
	const maxShown, maxDigits = 40, 4
	digits := 0
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '-':
		case '0' <= c && c <= '9':
			digits++
		default:
			return "?"
		}
	}
	if len(name) == 0 || len(name) > maxShown || digits > maxDigits {
		return "?"
	}
	return string(name)
}

// text returns a string's content: what is no UTF-8, and NUL, is U+FFFD.
func (v Value) text() string {
	token := v.token()
	if content := token[1 : len(token)-1]; !v.doc.nodes[v.index].escaped && utf8.Valid(content) {
		return string(content)
	}
	return unquote(token)
}

func replaceNUL(text string) string { return strings.ReplaceAll(text, "\x00", "\uFFFD") }
