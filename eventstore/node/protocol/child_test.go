//go:build unix

package protocol_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// The test binary plays servers in processes of their own: the memory of one is to be measured, and clients do not share
// threads with servers.
const (
	childVariable       = "PROTOCOL_TEST_CHILD"
	childDirVariable    = "PROTOCOL_TEST_CHILD_DIR"
	childEventsVariable = "PROTOCOL_TEST_CHILD_EVENTS"

	floodedChild = "flooded" // floodedServer
	nodeChild    = "node"
	nothingChild = "nothing" // with so many events, see nothing
	syncingChild = "syncing" // nothing with onlySyncs
)

func TestMain(m *testing.M) {
	who := os.Getenv(childVariable)
	if who == "" {
		os.Exit(m.Run())
	}
	if err := serveChild(context.Background(), who, os.Getenv(childDirVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveChild says its address and serves until its parent closes the pipe or dies.
func serveChild(ctx context.Context, who, dir string) (err error) {
	var address net.Addr
	switch who {
	case floodedChild, nodeChild:
		n, err := node.Open(node.Options{Dir: dir})
		if err != nil {
			return err
		}
		defer func() { _ = n.Close() }()
		o := protocol.Options{Node: n, Listen: "127.0.0.1:0"}
		if who == floodedChild {
			if err := appendBigEvents(ctx, n); err != nil {
				return err
			}
			o.ConnectionBytes = floodHeld
		}
		s, err := protocol.Start(ctx, o)
		if err != nil {
			return err
		}
		address = s.Addr()
	case nothingChild, syncingChild:
		events, _ := strconv.Atoi(os.Getenv(childEventsVariable))
		idle := newNothing(events)
		if who == syncingChild {
			if idle.disk, err = newOnlySyncs(dir); err != nil {
				return err
			}
		}
		var listen net.ListenConfig
		listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := grpc.NewServer()
		streams.RegisterStreamsServer(server, idle)
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		address = listener.Addr()
	default:
		return fmt.Errorf("there is no child %q", who)
	}
	fmt.Println(address)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// child is a server in a process of its own, which ends with the test.
type child struct {
	address string
	pid     int
}

func startChild(tb testing.TB, who string, events int) child {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+who, childDirVariable+"="+tb.TempDir(), fmt.Sprintf("%s=%d", childEventsVariable, events))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return child{address: strings.TrimSpace(address), pid: cmd.Process.Pid}
}
