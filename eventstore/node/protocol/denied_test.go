package protocol_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// TestDenied_Appends: who may not append is told so every time, however large the append is.
func TestDenied_Appends(t *testing.T) {
	t.Parallel()
	certificate, caFile := selfSigned(t)
	s := serve(t, protocol.Options{
		Certificate: certificate, Users: map[string]string{"ledger": "w"}, Readers: map[string]string{"reports": "r"},
	})
	for name, user := range map[string]*url.Userinfo{
		"Reader": url.UserPassword("reports", "r"), "WrongPassword": url.UserPassword("ledger", "r"), "Nobody": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url.URL{Scheme: "esdb", Host: s.Addr().String(), User: user, RawQuery: url.Values{"tlsCaFile": {caFile}}.Encode()}
			store := connect(t, u.String())
			for i := range 40 {
				events := make([]eventstore.EventData, 1+i*2)
				for n := range events {
					events[n] = eventstore.EventData{ID: uuid.New(), Type: "T", Data: []byte(strings.Repeat("x", 12_000))}
				}
				if _, err := store.Append(t.Context(), "s", eventstore.Any, events...); !errors.Is(err, eventstore.ErrAccessDenied) {
					t.Errorf("append %d of %d events: %v, want ErrAccessDenied", i, len(events), err)
				}
			}
		})
	}
}

// TestDenied_IsReadToItsEnd: the status arrives behind the last event, not in the middle of them.
func TestDenied_IsReadToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWireTo(t, protocol.Options{ReadOnly: true})
	messages := []*streams.AppendReq{appendOptions("s", "any")}
	for range 200 {
		messages = append(messages, proposal(make([]byte, 12_000)))
	}
	_, trailers, err := w.send(messages...)
	w.wantStatus("denied append", err, codes.PermissionDenied, trailers, map[string]string{"exception": "access-denied"})
}
