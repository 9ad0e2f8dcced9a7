//go:build linux

package protocol_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

const (
	// floodHeld is what the flooded server's connections may hold, and the others what its process may take, after the
	// halves and in the end: Go's heap grows to twice what is in use, and the rest is the program, the log's caches and
	// buffers of connections. Without a bound it takes 240 and 1,000 MiB.
	floodHeld       = 16 << 20
	halvesResident  = raceMemory * 180 << 20
	readersResident = raceMemory * 320 << 20

	// Half-sent messages of 150 MiB in all, and slow readers of as much again and more.
	halfConnections, halfCalls, halfBytes = 160, 16, 60_000
	slowConnections, slowCalls            = 8, 24
	bigEvents, bigEventBytes              = 20, 900 << 10
)

// appendBigEvents fills the flooded server.
func appendBigEvents(ctx context.Context, n *node.Node) error {
	for range bigEvents {
		event := eventstore.EventData{ID: uuid.New(), Type: "Big", Data: make([]byte, bigEventBytes)}
		if _, err := n.Append(ctx, "big", eventstore.Any, event); err != nil {
			return err
		}
	}
	return nil
}

// TestFlood_ResidentMemory: clients that send halves of messages, and clients that ask for events, followed streams
// included, and do not take them, cannot make the process grow beyond its bound, and others are served.
func TestFlood_ResidentMemory(t *testing.T) {
	server := startChild(t, floodedChild, 0)
	for range halfConnections {
		sendHalves(t, server.address)
	}
	halves := resident(t, server.pid)
	for range slowConnections {
		askAndNeverTake(t, server.address)
	}
	// What is in flight is in memory once the server has answered whom it has room for.
	conn := dial(t, server.address)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	mustAppend(ctx, t, conn)
	most := resident(t, server.pid)
	t.Logf("resident at most: %d MiB with halves of messages, %d MiB in the end", halves>>20, most>>20)
	if halves > halvesResident || most > readersResident {
		t.Errorf("the process took %d and %d MiB, at most %d and %d are allowed",
			halves>>20, most>>20, halvesResident>>20, readersResident>>20)
	}
}

// resident is the most memory that a process has ever had.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// sendHalves opens a connection with calls of which each has sent a part of a message.
func sendHalves(t *testing.T, address string) {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() { _, _ = io.Copy(io.Discard, conn) }() // ends with the connection
	var headers []byte
	for _, h := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", streams.Streams_Append_FullMethodName}, {":authority", address},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		headers = append(headers, 0, byte(len(h[0])))
		headers = append(headers, h[0]...)
		headers = append(headers, byte(len(h[1])))
		headers = append(headers, h[1]...)
	}
	out := frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 4, 0, 0, nil)
	for call := range halfCalls {
		stream := uint32(2*call + 1)
		out = frame(out, 1, 4, stream, headers)
		body := make([]byte, halfBytes)
		binary.BigEndian.PutUint32(body[1:], 2*halfBytes)
		for len(body) > 0 {
			n := min(len(body), 16<<10)
			out = frame(out, 0, 0, stream, body[:n])
			body = body[n:]
		}
	}
	_, _ = conn.Write(out) // the server may have closed it
}

// frame appends an HTTP/2 frame.
func frame(out []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	out = append(out, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(out, stream), payload...)
}

// askAndNeverTake opens calls that read and follow big events, and takes none.
func askAndNeverTake(t *testing.T, address string) {
	t.Helper()
	client := streams.NewStreamsClient(dial(t, address))
	for i := range slowCalls {
		o := readOptions(ofAll("start"))
		if i%2 == 0 {
			subscribing(o)
		}
		call, err := client.Read(t.Context(), &streams.ReadReq{Options: o})
		if err != nil {
			continue // its connection was closed
		}
		_, _ = call.Header()
	}
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(64<<10), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(17<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// mustAppend appends an event, in as many attempts as it takes.
func mustAppend(ctx context.Context, t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	for {
		call, err := streams.NewStreamsClient(conn).Append(ctx)
		if err == nil {
			_ = call.Send(appendOptions("after", "any"))
			_ = call.Send(proposal([]byte("x")))
			_, err = call.CloseAndRecv()
		}
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("nobody else is served: %v", err)
		}
	}
}
