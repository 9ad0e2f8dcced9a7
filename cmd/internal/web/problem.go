// Package web is the ledger over HTTP: webhooks, orders, health and metrics.
package web

import (
	"encoding/json"
	"net/http"
)

// Problem is an RFC 9457 answer. Detail is a sentence for the person who sent
// the request; Code is for machines.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	// RequestID finds the request in the logs.
	RequestID string `json:"request_id,omitempty"`
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	s.encode(w, r, Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code,
		RequestID: requestID(r.Context()),
	})
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
