package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

const (
	// MaxBodyBytes is the largest body that is parsed.
	MaxBodyBytes = 1 << 20
	// maxDepth is how many arrays and objects may be nested; gateways use up to six.
	maxDepth = 64
	// maxValues is how many values a body may hold; gateways send up to a few hundred.
	maxValues = 1 << 16
	// fewMembers is up to how many members an object is searched for duplicates pair by pair.
	fewMembers = 32
)

// SyntaxError says why a body is no JSON document that the ledger reads.
type SyntaxError struct {
	Offset int    // byte of the body, from 0
	Reason string // in words; never bytes of the body
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.Offset, e.Reason)
}

// Code returns malformed_body.
func (*SyntaxError) Code() string { return "malformed_body" }

// Kind is a type of JSON value.
type Kind uint8

// The kinds. Missing is the kind of a value that the body does not have.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// document is a parsed body: its values in the order in which they begin.
type document struct {
	body  []byte
	nodes []node
}

// node is one value. The children of an array or object follow it; each one's next leads to its
// sibling.
type node struct {
	start, end       int32 // the value's bytes, quotes and brackets included
	keyStart, keyEnd int32 // the member's name between its quotes, if the parent is an object
	parent           int32 // -1 for the root
	next             int32 // index of the first node that is not inside this value
	kind             Kind
	escaped          bool // a string with a backslash
	keyEscaped       bool // a name with a backslash
}

// Parse reads a whole body. The Value and everything read from it refer to body, which MUST NOT
// change while they are used. A byte order mark before the document is ignored. Bytes that are no
// UTF-8 are accepted inside strings and read as U+FFFD. The error is a [*SyntaxError].
func Parse(body []byte) (Value, error) {
	if len(body) > MaxBodyBytes {
		return Value{}, &SyntaxError{Offset: MaxBodyBytes, Reason: "body is too large"}
	}
	p := parser{document: document{body: body, nodes: make([]node, 0, 8+len(body)/20)}}
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		p.pos = 3
	}
	p.skipBlanks()
	if err := p.value(node{parent: -1}, 0); err != nil {
		return Value{}, err
	}
	if p.skipBlanks(); p.pos < len(body) {
		return Value{}, p.fail("something follows the document")
	}
	return Value{doc: &p.document}, nil
}

type parser struct {
	document
	pos int
}

func (p *parser) fail(reason string) error { return &SyntaxError{Offset: p.pos, Reason: reason} }

// peek returns the byte at the position, or 0 at the end, which no token begins with.
func (p *parser) peek() byte {
	if p.pos < len(p.body) {
		return p.body[p.pos]
	}
	return 0
}

func (p *parser) skipBlanks() {
	for p.pos < len(p.body) {
		switch p.body[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// value reads the value at the position; n brings its parent and its name.
func (p *parser) value(n node, depth int) error {
	if len(p.nodes) == maxValues {
		return p.fail("too many values")
	}
	index := int32(len(p.nodes))
	n.start = int32(p.pos)
	p.nodes = append(p.nodes, n)
	kind, escaped, err := p.content(index, depth)
	if err != nil {
		return err
	}
	// Only now: reading the children may have moved the slice.
	done := &p.nodes[index]
	done.kind, done.escaped = kind, escaped
	done.end, done.next = int32(p.pos), int32(len(p.nodes))
	return nil
}

func (p *parser) content(index int32, depth int) (kind Kind, escaped bool, err error) {
	switch c := p.peek(); {
	case c == '{':
		return Object, false, p.object(index, depth+1)
	case c == '[':
		return Array, false, p.array(index, depth+1)
	case c == '"':
		_, escaped, err = p.string()
		return String, escaped, err
	case c == '-' || '0' <= c && c <= '9':
		return Number, false, p.number()
	case c == 't':
		return Bool, false, p.literal("true")
	case c == 'f':
		return Bool, false, p.literal("false")
	case c == 'n':
		return Null, false, p.literal("null")
	case p.pos == len(p.body):
		return Missing, false, p.fail("unexpected end")
	}
	return Missing, false, p.fail("a value must begin here")
}

func (p *parser) object(index int32, depth int) error {
	if depth > maxDepth {
		return p.fail("nested too deep")
	}
	p.pos++ // the brace
	if p.skipBlanks(); p.peek() == '}' {
		p.pos++
		return nil
	}
	for members := 1; ; members++ {
		if p.peek() != '"' {
			return p.fail("a member's name must begin here")
		}
		keyStart, keyEscaped, err := p.string()
		if err != nil {
			return err
		}
		keyEnd := p.pos - 1
		if p.skipBlanks(); p.peek() != ':' {
			return p.fail("a colon must follow the name")
		}
		p.pos++
		p.skipBlanks()
		member := node{parent: index, keyStart: int32(keyStart), keyEnd: int32(keyEnd), keyEscaped: keyEscaped}
		if err := p.value(member, depth); err != nil {
			return err
		}
		more, err := p.separator('}')
		if err != nil {
			return err
		}
		if !more {
			return p.checkDuplicates(index, members)
		}
	}
}

func (p *parser) array(index int32, depth int) error {
	if depth > maxDepth {
		return p.fail("nested too deep")
	}
	p.pos++ // the bracket
	if p.skipBlanks(); p.peek() == ']' {
		p.pos++
		return nil
	}
	for {
		if err := p.value(node{parent: index}, depth); err != nil {
			return err
		}
		more, err := p.separator(']')
		if err != nil || !more {
			return err
		}
	}
}

// separator reads what follows an element: a comma, or the bracket that closes the whole.
func (p *parser) separator(closing byte) (more bool, err error) {
	p.skipBlanks()
	switch p.peek() {
	case closing:
		p.pos++
		return false, nil
	case ',':
		p.pos++
		p.skipBlanks()
		return true, nil
	}
	return false, p.fail("a comma or a closing bracket must follow")
}

// string reads a string and returns where its content begins; it ends before the closing quote,
// after which the position is.
func (p *parser) string() (start int, escaped bool, err error) {
	p.pos++ // the quote
	start = p.pos
	for p.pos < len(p.body) {
		switch c := p.body[p.pos]; {
		case c == '"':
			p.pos++
			return start, escaped, nil
		case c == '\\':
			escaped = true
			if err := p.escape(); err != nil {
				return 0, false, err
			}
		case c < ' ':
			return 0, false, p.fail("control character in a string")
		default:
			p.pos++
		}
	}
	return 0, false, p.fail("unexpected end of a string")
}

func (p *parser) escape() error {
	p.pos++ // the backslash
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.pos++
		return nil
	case 'u':
		const size = len("u0041")
		if rest := p.body[p.pos:]; len(rest) >= size &&
			isHex(rest[1]) && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]) {
			p.pos += size
			return nil
		}
	}
	return p.fail("unknown escape in a string")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (p *parser) number() error {
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if err := p.digits(); err != nil {
		return err
	}
	if p.peek() == '.' {
		p.pos++
		if err := p.digits(); err != nil {
			return err
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		return p.digits()
	}
	return nil
}

// digits reads one digit or more.
func (p *parser) digits() error {
	start := p.pos
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.pos++
	}
	if p.pos == start {
		return p.fail("a digit must follow")
	}
	return nil
}

func (p *parser) literal(word string) error {
	if !bytes.HasPrefix(p.body[p.pos:], []byte(word)) {
		return p.fail("unknown word")
	}
	p.pos += len(word)
	return nil
}

// checkDuplicates refuses an object that has a member twice, however its name is spelt.
func (p *parser) checkDuplicates(index int32, members int) error {
	if members > fewMembers {
		seen := make(map[string]struct{}, members)
		for i := index + 1; i < int32(len(p.nodes)); i = p.nodes[i].next {
			seen[string(p.name(i))] = struct{}{}
		}
		if len(seen) < members {
			return p.fail("the object that ends here has a member twice")
		}
		return nil
	}
	var names [fewMembers][]byte
	n := 0
	for i := index + 1; i < int32(len(p.nodes)); i = p.nodes[i].next {
		name := p.name(i)
		for _, other := range names[:n] {
			if bytes.Equal(name, other) {
				return p.fail("the object that ends here has a member twice")
			}
		}
		names[n] = name
		n++
	}
	return nil
}

// name returns the decoded name of a member.
func (d *document) name(i int32) []byte {
	n := &d.nodes[i]
	raw := d.body[n.keyStart:n.keyEnd]
	if !n.keyEscaped {
		return raw
	}
	return []byte(unquote(d.body[n.keyStart-1 : n.keyEnd+1]))
}

// unquote decodes a valid string token: escapes are resolved; what is no UTF-8, lone surrogates and
// NUL included, becomes U+FFFD, because PostgreSQL stores none of it.
func unquote(token []byte) string {
	var text string
	// The parser has checked the syntax, and encoding/json replaces what it cannot represent.
	if err := json.Unmarshal(token, &text); err != nil {
		return string(bytes.ToValidUTF8(token, []byte("\uFFFD")))
	}
	return replaceNUL(text)
}
