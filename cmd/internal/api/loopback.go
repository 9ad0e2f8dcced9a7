package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// needsNone tells whether a request may go without a token: reading on a loopback address, by a name of
// this machine. A page of the web that a browser here shows can have its own name lead to 127.0.0.1, and
// would read the ledger with it (DNS rebinding); the Host header is what it cannot choose.
func (a *API) needsNone(r *http.Request, rt *Route) (bool, error) {
	if rt.Access == Public {
		return true, nil
	}
	if rt.Access != Reading || !a.Open || r.Header.Get("Authorization") != "" {
		return false, nil
	}
	if !NamesThisMachine(r.Host) {
		return false, problem(http.StatusForbidden, "host_refused",
			"Reading without a token takes the name localhost or a loopback address, not that of the Host header. Otherwise send Authorization: Bearer TOKEN.")
	}
	return true, nil
}

// NamesThisMachine tells whether a Host header, with or without a port, is localhost or a loopback address.
func NamesThisMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}
