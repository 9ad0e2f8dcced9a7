package signature

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// HeaderRSA is where the DECTA engine's family puts the signature.
	HeaderRSA = "X-Signature"
	// minRSABits is the smallest key that is accepted.
	minRSABits = 2048
)

type rsaVerifier struct {
	keys   []*rsa.PublicKey
	header string
}

// RSASHA256 accepts a body whose SHA-256 digest is signed by one of the keys (RSA, PKCS #1 v1.5). The
// signature is in standard base64 in the header, [HeaderRSA] if header is empty. It covers no time,
// so a replay is not noticed here; intake recognises it as a duplicate.
func RSASHA256(header string, keys ...*rsa.PublicKey) (Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("rsa_sha256 needs a public key")
	}
	for _, key := range keys {
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("rsa_sha256: public key of %d bits, want %d or more", bits, minRSABits)
		}
	}
	if header == "" {
		header = HeaderRSA
	}
	return &rsaVerifier{keys: keys, header: header}, nil
}

func (v *rsaVerifier) Strategy() string { return StrategyRSA }

func (v *rsaVerifier) Verify(header http.Header, body []byte, _ time.Time) error {
	value, err := single(header, v.header)
	if err != nil {
		return err
	}
	claimed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return refuse(CodeMalformed, "header "+v.header+" is no base64")
	}
	digest := sha256.Sum256(body)
	for _, key := range v.keys {
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], claimed) == nil {
			return nil
		}
	}
	return refuse(CodeFailed, "the RSA signature does not match the body under any configured key")
}

// ParsePublicKeys reads all RSA public keys of a PEM text, in PKIX or PKCS #1 form. For keys that
// come through environment variables, the two characters \n stand for the end of a line.
func ParsePublicKeys(text []byte) ([]*rsa.PublicKey, error) {
	rest := []byte(strings.ReplaceAll(string(text), `\n`, "\n"))
	var keys []*rsa.PublicKey
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		key, err := parsePublicKey(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no PEM block with a public key")
	}
	return keys, nil
}

func parsePublicKey(block *pem.Block) (*rsa.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse public key: %w", err)
		}
		key, ok := parsed.(*rsa.PublicKey)
		if !ok {
			return nil, errors.New("parse public key: it is no RSA key")
		}
		return key, nil
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse public key: %w", err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("a PEM block of type %q is no public key", block.Type)
}

// SignRSA returns the header value that [RSASHA256] accepts.
func SignRSA(key *rsa.PrivateKey, body []byte) (string, error) {
	digest := sha256.Sum256(body)
	signed, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign body: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signed), nil
}
