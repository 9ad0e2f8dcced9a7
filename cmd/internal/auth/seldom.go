package auth

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// keysAgainAfter is how often an issuer is asked for its keys again at most. Anybody can send tokens that
	// name a key that there is not.
	keysAgainAfter = 10 * time.Second
	// keysBytesMax bounds what an issuer answers.
	keysBytesMax = 1 << 20
)

// seldom asks an issuer for its keys when they are wanted first, and again once in keysAgainAfter; in
// between the last answer is given again, be it a failure. What is no request for keys passes.
type seldom struct {
	next  http.RoundTripper
	clock func() time.Time

	mu    sync.Mutex
	last  *keysAnswer // nil before the first
	again time.Time   // when it was asked again last
}

// keysAnswer is what an issuer answered when it was asked for its keys.
type keysAnswer struct {
	response http.Response // without its body
	body     []byte
	err      error
}

// RoundTrip implements http.RoundTripper. The library asks for keys one request at a time.
func (s *seldom) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, discoveryPath) {
		return s.next.RoundTrip(r)
	}
	last := s.recent()
	if last == nil {
		last = ask(s.next, r)
		s.mu.Lock()
		s.last = last
		s.mu.Unlock()
	}
	if last.err != nil {
		return nil, last.err
	}
	response := last.response
	response.Request, response.Body = r, io.NopCloser(bytes.NewReader(last.body))
	return &response, nil
}

// recent is the answer to give again; nil when the issuer is to be asked.
func (s *seldom) recent() *keysAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil
	}
	if now := s.clock(); s.again.IsZero() || now.Sub(s.again) >= keysAgainAfter {
		s.again = now
		return nil
	}
	return s.last
}

func ask(next http.RoundTripper, r *http.Request) *keysAnswer {
	response, err := next.RoundTrip(r)
	if err != nil {
		return &keysAnswer{err: err}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, keysBytesMax+1))
	_ = response.Body.Close()
	if err == nil && len(body) > keysBytesMax {
		err = fmt.Errorf("the keys are larger than %d bytes", keysBytesMax)
	}
	return &keysAnswer{response: *response, body: body, err: err}
}
