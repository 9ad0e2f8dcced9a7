package gatewaytest

import (
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
)

// receivedAt is when the bodies of tests arrive.
var receivedAt = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Notification is a body that arrived at the gateway's webhook.
func Notification(gateway, body string) commands.Notification {
	return commands.Notification{Gateway: gateway, Account: "default", Via: commands.ViaWebhook, Body: []byte(body), ReceivedAt: receivedAt}
}

// Translate returns what a body means.
func Translate(translator commands.Translator, body string) commands.Translation {
	return translator.Translate(Notification(translator.Gateway(), body))
}

// Facts translates a body that must belong to an order and be countable.
func Facts(t testing.TB, translator commands.Translator, body string) []order.Fact {
	t.Helper()
	got := Translate(translator, body)
	if got.Rejection != nil || got.Uncountable != nil || got.Question {
		t.Fatalf("Translate(%s): rejection %+v, uncountable %+v, question %v", body, got.Rejection, got.Uncountable, got.Question)
	}
	return got.Facts
}

// OfKind returns the facts of one kind.
func OfKind[F order.Fact](all []order.Fact) []F {
	var found []F
	for _, f := range all {
		if f, ok := f.(F); ok {
			found = append(found, f)
		}
	}
	return found
}

// Benchmark measures what the bodies cost, with their evidence and the search for card numbers.
func Benchmark(b *testing.B, translator commands.Translator) {
	b.Helper()
	for name, body := range Bodies(b) {
		b.Run(name, func(b *testing.B) {
			n := Notification(translator.Gateway(), string(body))
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				translator.Translate(n)
			}
		})
	}
}
