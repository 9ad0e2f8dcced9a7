package protocol_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// selfSigned makes a certificate for the loopback address and the file that a
// client verifies it with.
func selfSigned(t *testing.T) (certificate *tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "event store"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

// secured returns a server of a node, nil is a new one, with TLS and one user, and how a client reaches it.
func secured(t *testing.T, n *node.Node) (s *protocol.Server, connection func(user, password string) string) {
	t.Helper()
	certificate, caFile := selfSigned(t)
	s = serve(t, protocol.Options{Node: n, Certificate: certificate, Users: map[string]string{"ledger": "p:ss wörd"}})
	return s, func(user, password string) string {
		u := url.URL{Scheme: "esdb", Host: s.Addr().String(), RawQuery: url.Values{"tlsCaFile": {caFile}}.Encode()}
		if user != "" {
			u.User = url.UserPassword(user, password)
		}
		return u.String()
	}
}

// TestTLS_Conformance runs the suite with TLS and Basic authentication.
func TestTLS_Conformance(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the suite runs over plaintext already")
	}
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		_, connection := secured(t, nil)
		return connect(t, connection("ledger", "p:ss wörd"))
	}, embedded())
}

// TestTLS_StockClient runs what only a stock client sees, with TLS and Basic authentication.
func TestTLS_StockClient(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the suite runs over plaintext already")
	}
	eventstoretest.RunStock(t, func(t *testing.T) string {
		_, connection := secured(t, nil)
		return connection("ledger", "p:ss wörd")
	}, embedded())
}

func TestTLS_RefusesWrongCredentials(t *testing.T) {
	t.Parallel()
	_, connection := secured(t, nil)
	for name, text := range map[string]string{
		"NoUser":         connection("", ""),
		"UnknownUser":    connection("nobody", "p:ss wörd"),
		"WrongPassword":  connection("ledger", "p:ss"),
		"PasswordOfNone": connection("nobody", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := connect(t, text)
			defer store.Close()
			event := eventstore.EventData{ID: uuid.New(), Type: "T"}
			if _, err := store.Append(t.Context(), "s", eventstore.Any, event); !errors.Is(err, eventstore.ErrAccessDenied) {
				t.Errorf("append: %v, want ErrAccessDenied", err)
			}
			for _, err := range store.ReadAll(t.Context(), eventstore.AllRead{}) {
				if !errors.Is(err, eventstore.ErrAccessDenied) {
					t.Errorf("read: %v, want ErrAccessDenied", err)
				}
			}
			for _, err := range store.SubscribeAll(t.Context(), eventstore.AllSubscription{}) {
				if !errors.Is(err, eventstore.ErrAccessDenied) {
					t.Errorf("subscription: %v, want ErrAccessDenied", err)
				}
				break
			}
		})
	}
}

func TestStart_RefusesExposure(t *testing.T) {
	t.Parallel()
	certificate, _ := selfSigned(t)
	users := map[string]string{"ledger": "secret"}
	n := openNode(t)
	for name, o := range map[string]protocol.Options{
		"Plaintext":          {Listen: "0.0.0.0:0"},
		"EveryAddress":       {Listen: ":0"},
		"EveryAddressIPv6":   {Listen: "[::]:0"},
		"NamedHost":          {Listen: "ledger.invalid:0"},
		"OnlyCertificate":    {Listen: "0.0.0.0:0", Certificate: certificate},
		"UsersInTheClear":    {Listen: "127.0.0.1:0", Users: users},
		"EmptyPassword":      {Listen: "0.0.0.0:0", Certificate: certificate, Users: map[string]string{"ledger": ""}},
		"NoPort":             {Listen: "127.0.0.1"},
		"AdvertisesNonsense": {Listen: "127.0.0.1:0", Advertise: "nowhere"},
		"AdvertisesWildcard": {Listen: "127.0.0.1:0", Advertise: "0.0.0.0:2113"},
		"AdvertisesNoPort":   {Listen: "127.0.0.1:0", Advertise: "ledger.invalid:0"},
		"AdvertisesNothing":  {Listen: "0.0.0.0:0", Certificate: certificate, Users: users},
		"ListensNowhere":     {Listen: ":0", Certificate: certificate, Users: users},
	} {
		o.Node = n
		s, err := protocol.Start(t.Context(), o)
		if err == nil {
			t.Errorf("%s: serves on %s", name, s.Addr())
			_ = s.Stop()
			continue
		}
		if !strings.Contains(err.Error(), "event store") {
			t.Errorf("%s: error does not say what was refused: %v", name, err)
		}
	}
	s, err := protocol.Start(t.Context(), protocol.Options{Node: n, Listen: "127.0.0.1:0", Certificate: certificate, Users: users})
	if err != nil {
		t.Fatalf("with a certificate and users: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}
