package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
)

// HTTPCertFile holds the certificate that a running ledger serves HTTP with, for commands on this machine.
func (s Settings) HTTPCertFile() string { return filepath.Join(s.DataDir, "http.pem") }

// CheckHTTP refuses an address on which tokens would cross the network in clear.
func (s Settings) CheckHTTP() error {
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return errors.New("--http-tls-cert and --http-tls-key go together")
	}
	loopback, err := IsLoopback(s.HTTP)
	if err != nil || loopback || s.TLSCert != "" || s.BehindProxy {
		return err
	}
	return fmt.Errorf("address %s is open to the network, and tokens would cross it in clear: "+
		"give a certificate (--http-tls-cert, --http-tls-key), say that a proxy before it speaks TLS (--http-behind-proxy), or listen on 127.0.0.1", s.HTTP)
}

// HTTPCertificate is what HTTP is served with; nil is plain text.
func (s Settings) HTTPCertificate() (*tls.Certificate, error) {
	if s.TLSCert == "" {
		return nil, nil //nolint:nilnil // plain text is an answer
	}
	certificate, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("certificate of --http: %w", err)
	}
	return &certificate, nil
}
