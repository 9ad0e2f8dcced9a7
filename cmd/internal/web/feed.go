package web

import (
	"context"
	"net"
	"net/http"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

type clientKey struct{}

// authorizeFeed lets those read the feed who may. On a loopback address, without a proxy before it,
// that is everybody, as for the other reads; a token that is sent must be good all the same. Elsewhere
// it takes a token with the scope feed:read.
func (s *Server) authorizeFeed(next http.HandlerFunc) http.Handler {
	tcp, ok := s.listener.Addr().(*net.TCPAddr)
	open := ok && tcp.IP.IsLoopback() && !s.ledger.Settings.BehindProxy
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case open && r.Header.Get("Authorization") == "":
			next(w, r)
		case s.api == nil:
			s.noAPI(w, r)
		default:
			who, ok := s.api.Authorise(w, r, auth.FeedRead)
			if ok {
				next(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, who.Name)))
			}
		}
	})
}

// mayStillFollow tells whether the token that a request was let in with still counts.
func (s *Server) mayStillFollow(r *http.Request) bool {
	return r.Header.Get("Authorization") == "" || s.api.May(r, auth.FeedRead)
}

// feedClient names who a request comes from, for limits: a token, else an address.
func feedClient(r *http.Request) string {
	if name, ok := r.Context().Value(clientKey{}).(string); ok {
		return name
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
