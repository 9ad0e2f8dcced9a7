package web

import (
	"net/http"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
)

// DatabaseHeader names the database of the views that a command was given, as app.DatabasePlace does.
const DatabaseHeader = "Ledger-Database"

// sameDatabase refuses to change anything for who names another database than that of this ledger.
func (s *Server) sameDatabase(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		named := r.Header.Get(DatabaseHeader)
		if named == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		url := s.ledger.Settings.DatabaseURL
		if url == "" {
			url = s.ledger.Database.URL() // of the private server, once it runs
		}
		if place, err := app.DatabasePlace(url); url == "" || err != nil || place != named {
			s.problem(w, r, http.StatusConflict, "other_database",
				"The ledger that runs has another database than "+named+", which --database-url (LEDGER_DATABASE_URL) names: leave it out to ask that ledger, or stop it first.")
			return
		}
		next.ServeHTTP(w, r)
	})
}
