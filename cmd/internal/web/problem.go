// Package web is the ledger over HTTP: webhooks, orders, health and metrics.
package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
)

// Problem is an RFC 9457 answer.
type Problem = api.Problem

// problem answers with an error; detail is a sentence for the person who sent the request, code is for
// machines.
func (s *Server) problem(w http.ResponseWriter, _ *http.Request, status int, code, detail string) {
	api.WriteProblem(w, &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code})
}

// decode reads a body that has no members but those of the document, none of which may be null.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, BodyBytesMax))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the body's object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	for name, value := range members {
		if string(value) == "null" {
			return errors.New(name + " is null: leave it out")
		}
	}
	return nil
}

func (s *Server) json(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	s.encode(w, r, body)
}

func (s *Server) encode(w http.ResponseWriter, r *http.Request, body any) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		s.logger.DebugContext(r.Context(), "answer not sent", errAttr(err))
	}
}
