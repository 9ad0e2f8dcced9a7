package web

import (
	"net"
	"net/http"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// mayStillFollow tells whether the token that a request was let in with still counts.
func (s *Server) mayStillFollow(r *http.Request) bool {
	return r.Header.Get("Authorization") == "" || s.api.May(r, auth.FeedRead)
}

// feedClient names who a request comes from, for limits: a token, else an address.
func feedClient(r *http.Request) string {
	if who, ok := api.Caller(r.Context()); ok {
		return who.Name
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
