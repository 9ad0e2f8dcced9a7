package node_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func Example() {
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	n, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()

	ctx := context.Background()
	placed := eventstore.EventData{ID: uuid.New(), Type: "OrderPlaced", JSON: true, Data: []byte(`{"amount":"12.50"}`)}
	for range 2 { // the second time changes nothing
		res, err := n.Append(ctx, "order-1", eventstore.NoStream, placed)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("revision", res.Revision, "repeated", res.Idempotent)
	}
	for e, err := range n.ReadStream(ctx, "order-1", eventstore.StreamRead{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s@%d %s %s\n", e.Stream, e.Revision, e.Type, e.Data)
	}
	// Output:
	// revision 0 repeated false
	// revision 0 repeated true
	// order-1@0 OrderPlaced {"amount":"12.50"}
}
