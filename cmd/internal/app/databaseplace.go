package app

import (
	"cmp"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// errNoDatabaseURL shows nothing of the URL, which may hold a password, nor the parser's error, which may show the URL.
var errNoDatabaseURL = errors.New("--database-url (LEDGER_DATABASE_URL) is no PostgreSQL URL, like postgres://USER:PASSWORD@HOST:5432/DATABASE")

// DatabasePlace names the database that a URL leads to: HOST:PORT/NAME, whoever connects. A database that is not named is that of
// the user's name, as PostgreSQL takes it.
func DatabasePlace(url string) (string, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return "", errNoDatabaseURL
	}
	host := c.Host
	if !strings.HasPrefix(host, "/") { // the directory of a socket
		host = strings.ToLower(host)
	}
	if host == "localhost" || host == "::1" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(int(c.Port))) + "/" + cmp.Or(c.Database, c.User), nil
}
