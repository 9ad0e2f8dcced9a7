package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
)

// answerBytesMax bounds an answer of the ledger.
const answerBytesMax = 1 << 20

// ShopAccount is the account of each gateway that the shop sells through.
const ShopAccount = "shop"

// Shop is a merchant beside the simulated traffic: it uses the order API, which calls stand-ins of the three
// gateways, whose signed webhooks come back.
type Shop struct {
	fake   *fakegateway.Fake
	server *http.Server
	served chan error
	site   string // where the stand-ins are
	dir    string // of the configuration and its secrets
	ledger string // URL
	token  string // of the order API
	// written is the position of the newest write that was answered, a string.
	written atomic.Value
	client  http.Client
}

// shopConfig is the configuration of the shop's accounts: %[1]s is the address of the stand-ins, %[2]s the
// folder of the secrets.
const shopConfig = `# Written by ledger demo for the stand-ins of the gateways that it runs.
gateways:
  - gateway: decta
    account: shop
    verify: {strategy: rsa_sha256, public_keys: ["file:%[2]s/public.pem"]}
    api: {url: "%[1]s/decta/api/v0.6", key: "file:%[2]s/decta.key", per_second: 100}
  - gateway: everifin
    account: shop
    verify: {strategy: hmac_sha256, secrets: ["file:%[2]s/hooks.secret"]}
    api: {url: "%[1]s/everifin/api/v2", token_url: "%[1]s/everifin/token", client_id: %[3]s, client_secret: "file:%[2]s/everifin.secret",
          creditor_iban: SK3112000000198742637541, creditor_name: Shop, per_second: 100}
  - gateway: connectpay
    account: shop
    verify: {strategy: static_token, tokens: ["file:%[2]s/hooks.secret"]}
    api: {url: "%[1]s/connectpay", user: %[4]s, password: "file:%[2]s/connectpay.password", brand_id: demo,
          signing_key: "file:%[2]s/private.pem", creditor_iban: LT601010012345678901, creditor_name: Shop, per_second: 100}
`

// OpenShop serves stand-ins of the gateways on a free port of this machine, and writes the configuration of
// their accounts into a folder. Close ends them and deletes the folder.
func OpenShop(ctx context.Context, dir string) (*Shop, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a key for the stand-ins of the gateways: %w", err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve stand-ins of the gateways: %w", err)
	}
	s := &Shop{dir: dir, served: make(chan error, 1), client: http.Client{Timeout: postTimeout}}
	site, secret := "http://"+listener.Addr().String(), rand.Text()
	s.site = site
	s.fake = fakegateway.New(fakegateway.Options{
		Site: site, Deliver: s.deliver, HookKey: key, HookSecret: []byte(secret), HookToken: secret, ClientKey: &key.PublicKey,
	})
	s.server = &http.Server{Handler: s.fake, ReadHeaderTimeout: postTimeout}
	go func() { s.served <- s.server.Serve(listener) }()
	if err := s.configure(site, secret, key); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Shop) configure(site, secret string, key *rsa.PrivateKey) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("write the shop's configuration: %w", err)
	}
	pemOf := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for name, text := range map[string]string{
		"gateways.yaml": fmt.Sprintf(shopConfig, site, filepath.ToSlash(s.dir), fakegateway.ClientID, fakegateway.User),
		"hooks.secret":  secret, "decta.key": fakegateway.DectaKey, "everifin.secret": fakegateway.ClientSecret,
		"connectpay.password": fakegateway.Password,
		"private.pem":         pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)),
		"public.pem":          pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the shop's configuration: %w", err)
		}
	}
	return nil
}

// Site is where the stand-ins are.
func (s *Shop) Site() string { return s.site }

// Config is the configuration file that a ledger knows the shop's accounts by.
func (s *Shop) Config() string { return filepath.Join(s.dir, "gateways.yaml") }

// Close ends the stand-ins.
func (s *Shop) Close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// deliver sends a webhook of a stand-in to the ledger.
func (s *Shop) deliver(ctx context.Context, h fakegateway.Hook) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.ledger+"/webhooks/"+h.Gateway+"/"+ShopAccount, bytes.NewReader(h.Body))
	if err != nil {
		return err
	}
	req.Header = h.Header.Clone()
	_, err = s.send(req)
	return err
}

// call asks the order API and reads its answer; a nil body is a GET, of views that show what was written.
func (s *Shop) call(ctx context.Context, path string, body, into any) error {
	method, text := http.MethodPost, []byte(nil)
	if body == nil {
		method = http.MethodGet
		if at, ok := s.written.Load().(string); ok {
			path += "?wait=20s&at_least=" + at
		}
	} else {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.ledger+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	said, err := s.send(req)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(said, into)
}

// send notes where in the log the ledger stands by its answer.
func (s *Shop) send(req *http.Request) ([]byte, error) {
	answer, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", req.Method, req.URL.Path, err)
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s was answered with %s: %s", req.Method, req.URL.Path, answer.Status, said)
	}
	if at := answer.Header.Get("Ledger-Position"); at != "" {
		s.written.Store(at)
	}
	return said, nil
}

// Story is what happened to one order of the shop.
type Story struct {
	OrderID string
	Gateway string
	Title   string
	Plot    []string // in order
}
