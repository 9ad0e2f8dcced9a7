package web

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// bodiesBytesMax bounds what the bodies of all webhooks under way take. Anybody can send one, on as many
// connections as there may be.
const bodiesBytesMax = 128 << 20

// errBodies says that the webhooks under way take all that they may.
var errBodies = errors.New("the bodies of webhooks under way take all the memory that they may")

// bodies counts the bytes that have come of bodies that are not answered yet: who announces much and sends
// little takes little.
type bodies struct {
	most int64
	held atomic.Int64
}

// read reads a body of at most BodyBytesMax bytes. release gives its bytes back, once, also after an error.
// Errors: errBodies, those of http.MaxBytesReader.
func (b *bodies) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	from := &heldReader{from: http.MaxBytesReader(w, r.Body, BodyBytesMax), of: b}
	body, err = io.ReadAll(from)
	return body, func() { b.held.Add(-from.held) }, err
}

// heldReader counts what it reads.
type heldReader struct {
	from io.Reader
	of   *bodies
	held int64
}

// Read implements io.Reader.
func (h *heldReader) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	if h.of.held.Add(int64(n)) > h.of.most {
		h.of.held.Add(-int64(n))
		return 0, errBodies
	}
	h.held += int64(n)
	return n, err
}
