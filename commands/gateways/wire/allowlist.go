package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// AllowList copies the members of bodies that may be kept. What is not on the list is dropped, so
// that a member that a gateway adds tomorrow cannot bring personal data into the log.
type AllowList struct {
	root *allowed
}

// allowed is what the list says about the values at one place.
type allowed struct {
	scalar  bool // a number, string, boolean or null may be kept here
	members map[string]*allowed
	each    *allowed // for every element of an array
	name    []byte   // the member's name as JSON, with the colon
}

// NewAllowList compiles paths of member names separated by dots, where # stands for every element
// of an array: "status_changes.#.new_status". A path allows a scalar at its end; an array or object
// there is dropped, for nobody has said what is inside.
func NewAllowList(paths ...string) (*AllowList, error) {
	root := &allowed{}
	for _, path := range paths {
		at := root
		for step := range strings.SplitSeq(path, ".") {
			switch step {
			case "":
				return nil, fmt.Errorf("allow-list path %q has an empty step", path)
			case "#":
				if at.each == nil {
					at.each = &allowed{}
				}
				at = at.each
			default:
				next, known := at.members[step]
				if !known {
					next = &allowed{name: append(appendText(nil, step), ':')}
					if at.members == nil {
						at.members = map[string]*allowed{}
					}
					at.members[step] = next
				}
				at = next
			}
		}
		at.scalar = true
	}
	return &AllowList{root: root}, nil
}

// MustAllowList is NewAllowList for lists that are written in the program. It panics on an error.
func MustAllowList(paths ...string) *AllowList {
	list, err := NewAllowList(paths...)
	if err != nil {
		panic("wire: " + err.Error())
	}
	return list
}

// Redact returns a compact document of the allowed scalars of v, in the order of the body. Objects
// and arrays of which nothing is kept are dropped, but the elements of an array keep their
// positions: null stands for one of which nothing is kept. If nothing at all is kept, the result is
// {}. The same body and list always give the same bytes.
//
// PostgreSQL can store every result as jsonb: text is valid UTF-8 without NUL, and a number that is
// not plain decimal digits, or is very long, becomes a string.
func (l *AllowList) Redact(v Value) json.RawMessage {
	if v.Kind() == Missing {
		return json.RawMessage("{}")
	}
	out := make([]byte, 0, min(len(v.token()), 512))
	out, kept := v.doc.appendAllowed(out, v.index, l.root)
	if !kept {
		return json.RawMessage("{}")
	}
	return out
}

func (d *document) appendAllowed(out []byte, i int32, at *allowed) (_ []byte, kept bool) {
	switch n := &d.nodes[i]; {
	case n.kind == Object && at.members != nil:
		return d.appendObject(out, i, at)
	case n.kind == Array && at.each != nil:
		return d.appendArray(out, i, at.each)
	case n.kind == Object || n.kind == Array || !at.scalar:
		return out, false
	case n.kind == String:
		return d.appendString(out, i), true
	case n.kind == Number:
		return appendNumber(out, d.body[n.start:n.end]), true
	default:
		return append(out, d.body[n.start:n.end]...), true
	}
}

func (d *document) appendObject(out []byte, i int32, at *allowed) (_ []byte, kept bool) {
	begin := len(out)
	out = append(out, '{')
	for j := i + 1; j < d.nodes[i].next; j = d.nodes[j].next {
		next, known := at.members[string(d.name(j))]
		if !known {
			continue
		}
		undo := len(out)
		if kept {
			out = append(out, ',')
		}
		out = append(out, next.name...)
		var keptMember bool
		if out, keptMember = d.appendAllowed(out, j, next); !keptMember {
			out = out[:undo]
		}
		kept = kept || keptMember
	}
	if !kept {
		return out[:begin], false
	}
	return append(out, '}'), true
}

func (d *document) appendArray(out []byte, i int32, each *allowed) (_ []byte, kept bool) {
	begin := len(out)
	out = append(out, '[')
	for j := i + 1; j < d.nodes[i].next; j = d.nodes[j].next {
		if j > i+1 {
			out = append(out, ',')
		}
		var keptElement bool
		if out, keptElement = d.appendAllowed(out, j, each); !keptElement {
			out = append(out, "null"...)
		}
		kept = kept || keptElement
	}
	if !kept {
		return out[:begin], false
	}
	return append(out, ']'), true
}

func (d *document) appendString(out []byte, i int32) []byte {
	n := &d.nodes[i]
	token := d.body[n.start:n.end]
	if !n.escaped && utf8.Valid(token) {
		return append(out, token...)
	}
	return appendText(out, unquote(token))
}

// appendText writes text, which is valid UTF-8, as a JSON string.
func appendText(out []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // encoding/json has no error for strings
		return append(out, `""`...)
	}
	return append(out, quoted...)
}

// appendNumber keeps plain decimal numbers as they are and quotes the others: an exponent may stand
// for more digits than a reader can take.
func appendNumber(out, token []byte) []byte {
	const maxPlain = 40 // bytes
	plain := len(token) <= maxPlain
	for _, c := range token {
		plain = plain && c != 'e' && c != 'E'
	}
	if plain {
		return append(out, token...)
	}
	out = append(out, '"')
	out = append(out, token...)
	return append(out, '"')
}
