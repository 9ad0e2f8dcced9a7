package privacy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/order-ledger/order-ledger/commands/privacy"
)

// kms is a MasterKey that a service has: the key never leaves it, and keys are wrapped by asking, as at the KMS of
// a cloud. Its wrapped keys have a form and a length of their own.
type kms struct {
	url   string
	away  atomic.Bool
	calls atomic.Int64
}

type kmsCall struct{ Text, About []byte }

func newKMS(t *testing.T) *kms {
	t.Helper()
	held, err := privacy.NewLocalMaster(bytes.Repeat([]byte{9}, privacy.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	k := &kms{}
	prefix := bytes.Repeat([]byte("arn:of:a:key:"), 40)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call kmsCall
		err := json.NewDecoder(r.Body).Decode(&call)
		k.calls.Add(1)
		switch {
		case k.away.Load():
			err = errors.New("away")
		case err != nil:
		case r.URL.Path == "/encrypt":
			call.Text, err = held.Wrap(r.Context(), call.Text, call.About)
			call.Text = append(bytes.Clone(prefix), call.Text...)
		default:
			call.Text, err = held.Unwrap(r.Context(), bytes.TrimPrefix(call.Text, prefix), call.About)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(call)
	}))
	t.Cleanup(server.Close)
	k.url = server.URL
	return k
}

// Wrap implements privacy.MasterKey.
func (k *kms) Wrap(ctx context.Context, key, about []byte) ([]byte, error) {
	return k.ask(ctx, "/encrypt", key, about)
}

// Unwrap implements privacy.MasterKey.
func (k *kms) Unwrap(ctx context.Context, wrapped, about []byte) ([]byte, error) {
	return k.ask(ctx, "/decrypt", wrapped, about)
}

func (k *kms) ask(ctx context.Context, path string, text, about []byte) ([]byte, error) {
	body, err := json.Marshal(kmsCall{text, about})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var out kmsCall
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answers %s", answer.Status)
	}
	err = json.NewDecoder(answer.Body).Decode(&out)
	return out.Text, err
}
