package schemas

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Handler serves the schemas:
//
//	GET /schemas/                  what there is
//	GET /schemas/TYPE              the newest version
//	GET /schemas/TYPE/VERSION      one version
type Handler struct {
	index   []byte
	bodies  map[string]body // by path
	problem func(w http.ResponseWriter, r *http.Request, status int, code, detail string)
}

type body struct {
	text []byte
	etag string
}

type entry struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
	ID      string `json:"id"`
	Path    string `json:"path"`
}

// NewHandler serves the published schemas; problem answers a request with an error.
func NewHandler(problem func(w http.ResponseWriter, r *http.Request, status int, code, detail string)) (*Handler, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	h := &Handler{bodies: map[string]body{}, problem: problem}
	var entries []entry
	for _, s := range all {
		sum := sha256.Sum256(s.Document)
		b := body{text: s.Document, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		path := "/schemas/" + s.Type + "/" + strconv.Itoa(s.Version)
		h.bodies[path], h.bodies["/schemas/"+s.Type] = b, b // by type they come from the oldest
		entries = append(entries, entry{Type: s.Type, Version: s.Version, ID: s.URN(), Path: path})
	}
	if h.index, err = json.Marshal(map[string]any{"schemas": entries}); err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if r.URL.Path == "/schemas/" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(h.index) // who went away needs no answer
		return
	}
	b, ok := h.bodies[strings.TrimSuffix(r.URL.Path, "/")]
	if !ok {
		h.problem(w, r, http.StatusNotFound, "schema_unknown", "There is no such schema; /schemas/ lists them.")
		return
	}
	w.Header().Set("ETag", b.etag)
	if r.Header.Get("If-None-Match") == b.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(b.text) // who went away needs no answer
}
