package node_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// These variables make the test binary play the other process.
const (
	childDirVariable  = "NODE_TEST_CHILD_DIR"
	childRoleVariable = "NODE_TEST_CHILD_ROLE"
)

// killRounds is short in every run; a long run takes -kill-rounds=200.
var killRounds = flag.Int("kill-rounds", 3, "how often the writing process is killed")

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirVariable); dir != "" {
		if err := playChild(dir, os.Getenv(childRoleVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// ackLine is what the writing child tells about each acknowledged append.
type ackLine struct {
	Stream   string
	Number   uint64
	Size     int
	Revision uint64
	Position uint64
}

func playChild(dir, role string) error {
	n, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		return err
	}
	if role == "hold" {
		if err := n.SetLockInfo("http://127.0.0.1:8080"); err != nil {
			return err
		}
		fmt.Println("held")
		_, err := io.Copy(io.Discard, os.Stdin) // until the parent closes it, or kills this process
		return err
	}
	if role == "fill" {
		if err := appendMany(n, tailEvents); err != nil {
			return err
		}
		fmt.Println("filled")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	head, _, err := n.Head(context.Background())
	if err != nil {
		return err
	}
	acks := make(chan ackLine)
	for c := range 6 {
		// Half of the writers share streams; the others expect each revision of one of their own.
		own, expected := "", eventstore.Any
		if c%2 == 1 {
			own = fmt.Sprintf("own%d", c)
			if expected, err = lastRevision(n, own); err != nil {
				return err
			}
		}
		go func() {
			for i := 0; ; i++ {
				a := ackLine{Stream: own, Number: head.Commit<<24 + uint64(c)<<20 + uint64(i), Size: 1 + i%4}
				if own == "" {
					a.Stream = fmt.Sprintf("s%d", (c+i)%5)
				}
				res, err := n.Append(context.Background(), a.Stream, expected, taggedEvents(a.Number, a.Size)...)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				if own != "" {
					expected = eventstore.Revision(res.Revision)
				}
				a.Revision, a.Position = res.Revision, res.Position.Commit
				acks <- a
			}
		}()
	}
	out := json.NewEncoder(os.Stdout)
	for a := range acks {
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// lastRevision is what a writer of a stream expects.
func lastRevision(n *node.Node, stream string) (eventstore.ExpectedRevision, error) {
	newest := eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}
	for e, err := range n.ReadStream(context.Background(), stream, newest) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			break
		}
		return eventstore.Revision(e.Revision), err
	}
	return eventstore.NoStream, nil
}

// startChild starts the test binary in a role; it is killed at the end of the test at the latest.
func startChild(t *testing.T, dir, role string) (*exec.Cmd, *bufio.Reader, io.Closer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDirVariable+"="+dir, childRoleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended long ago
		_ = cmd.Wait()
	})
	return cmd, bufio.NewReader(stdout), stdin
}

// TestNode_KilledWhileWriting kills a writing process again and again: whatever it had acknowledged is
// there afterwards, and every append is whole.
func TestNode_KilledWhileWriting(t *testing.T) {
	t.Parallel()
	rounds := *killRounds
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var acknowledged []taggedAppend
	for round := range rounds {
		cmd, stdout, _ := startChild(t, dir, "write")
		lines := json.NewDecoder(stdout)
		for range 100 + rng.IntN(1500) {
			acknowledged = append(acknowledged, readAck(t, lines))
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for { // what it had acknowledged before the signal reached it
			var a ackLine
			if lines.Decode(&a) != nil {
				break
			}
			acknowledged = append(acknowledged, a.tagged())
		}
		_ = cmd.Wait() // it was killed
		n := open(t, node.Options{Dir: dir})
		events, err := readEverything(n)
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, events)
		checkAcked(t, events, acknowledged)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if report, err := node.Verify(t.Context(), dir, nil); err != nil || !report.OK() || report.Events != uint64(len(events)) {
			t.Fatalf("round %d: verify: %+v, %v", round, report, err)
		}
	}
	t.Logf("%d kills, %d acknowledged appends", rounds, len(acknowledged))
}

func readAck(t *testing.T, lines *json.Decoder) taggedAppend {
	t.Helper()
	var a ackLine
	if err := lines.Decode(&a); err != nil {
		t.Fatalf("child ended: %v", err)
	}
	return a.tagged()
}

func (a ackLine) tagged() taggedAppend {
	return taggedAppend{stream: a.Stream, number: a.Number, size: a.Size, result: eventstore.AppendResult{
		Revision: a.Revision, Position: eventstore.Position{Commit: a.Position, Prepare: a.Position},
	}}
}
