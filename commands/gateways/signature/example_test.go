package signature_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

func ExampleEverifin() {
	verifier, err := signature.Everifin(signature.EverifinOptions{}, []byte("old secret"), []byte("new secret"))
	if err != nil {
		fmt.Println(err)
		return
	}
	sentAt := time.Date(2026, time.November, 20, 10, 6, 0, 69_000_000, time.UTC)
	body := []byte(`{"eventId":"4e896aa3"}`)
	header := http.Header{}
	header.Set(signature.HeaderEverifin,
		signature.SignEverifin(sentAt, body, signature.ComposeDotted, []byte("new secret")))

	fmt.Println(verifier.Verify(header, body, sentAt.Add(2*time.Second)))
	fmt.Println(verifier.Verify(header, body, sentAt.Add(time.Hour)))
	fmt.Println(verifier.Verify(header, []byte(`{"eventId":"forged"}`), sentAt))
	// Output:
	// <nil>
	// signature_expired: signed at 2026-11-20T10:06:00Z, 1h0m0s from now; accepted are 5m0s
	// signature_failed: no HMAC matches the time and the body under any configured secret
}
