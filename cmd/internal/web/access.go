package web

import (
	"context"
	"net"
	"net/http"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

// clientKey is where a request's context says whose token let it in.
type clientKey struct{}

// mayRead lets those read who may: on a loopback address, without a proxy before it, that is everybody; a
// token that is sent must be good all the same. Elsewhere it takes a token with the scope.
func (s *Server) mayRead(scope auth.Scope, next http.HandlerFunc) http.Handler {
	tcp, ok := s.listener.Addr().(*net.TCPAddr)
	open := ok && tcp.IP.IsLoopback() && !s.ledger.Settings.BehindProxy
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case open && r.Header.Get("Authorization") == "":
			next(w, r)
		case s.api == nil:
			s.noAPI(w, r)
		default:
			if who, ok := s.api.Authorise(w, r, scope); ok {
				next(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, who.Name)))
			}
		}
	})
}
