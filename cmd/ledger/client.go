package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"os"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
)

// httpClient asks the running ledger of the data directory. When that speaks TLS, it left its certificate
// there, and nobody else is believed, whatever name it was made for.
func (c *cli) httpClient() *http.Client {
	if c.settings.DatabaseURL == "" {
		return &http.Client{Transport: c.transport()}
	}
	return &http.Client{Transport: &naming{next: c.transport(), databaseURL: c.settings.DatabaseURL}}
}

// naming says to the running ledger which database a command was given: for another one it does nothing.
type naming struct {
	next        http.RoundTripper
	databaseURL string
}

// RoundTrip implements http.RoundTripper.
func (n *naming) RoundTrip(r *http.Request) (*http.Response, error) {
	place, err := app.DatabasePlace(n.databaseURL)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set(web.DatabaseHeader, place)
	return n.next.RoundTrip(r)
}

func (c *cli) transport() http.RoundTripper {
	text, err := os.ReadFile(c.settings.HTTPCertFile())
	if err != nil {
		return http.DefaultTransport
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return http.DefaultTransport
	}
	return &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the certificate itself is compared below
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
				return errors.New("what answers is not the ledger of this data directory")
			}
			return nil
		},
	}}
}
