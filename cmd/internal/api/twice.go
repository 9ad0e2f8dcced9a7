package api

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// nestingMax bounds how deep objects and arrays of a body may lie in each other; no schema needs a tenth.
const nestingMax = 32

// nestedTooDeep tells whether a valid document nests deeper than nestingMax. It keeps nothing of it, so that
// it can be asked before anything is built.
func nestedTooDeep(raw []byte) bool {
	depth, text := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > nestingMax {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// memberTwice finds a member that an object of a valid document names twice: readers disagree about which
// one counts. The path is that of the schema's errors: products[0].price.
func memberTwice(raw []byte) (path string, twice bool) {
	w := twiceWalk{d: json.NewDecoder(bytes.NewReader(raw))}
	if !w.value() {
		return "", false
	}
	for _, s := range w.path {
		switch {
		case s.name == nil:
			path += "[" + strconv.Itoa(s.index) + "]"
		case path == "":
			path = *s.name
		default:
			path += "." + *s.name
		}
	}
	return path, true
}

// twiceWalk walks a document; path leads to where it is.
type twiceWalk struct {
	d    *json.Decoder
	path []segment
}

// segment is one step of a path: a member, or without a name an element.
type segment struct {
	name  *string
	index int
}

// value reads one value. When it says true, the path leads to the member.
func (w *twiceWalk) value() bool {
	token, err := w.d.Token()
	if err != nil {
		return false
	}
	at := len(w.path)
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for w.d.More() {
			token, err := w.d.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return false
			}
			w.path = append(w.path[:at], segment{name: &name})
			if seen[name] {
				return true
			}
			seen[name] = true
			if w.value() {
				return true
			}
		}
	case json.Delim('['):
		for i := 0; w.d.More(); i++ {
			w.path = append(w.path[:at], segment{index: i})
			if w.value() {
				return true
			}
		}
	default:
		return false
	}
	w.path = w.path[:at]
	_, _ = w.d.Token() // the end of the object or array
	return false
}
