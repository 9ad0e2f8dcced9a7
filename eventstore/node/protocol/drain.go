package protocol

import (
	"time"

	"google.golang.org/grpc"
)

// An error that is sent before a client has sent all of its events reaches it as
// a broken stream: the official one reports no more than that. So a call that
// sends a stream and gets one answer is read to its end before it is refused,
// within these bounds.
const (
	drainBytesMax = 64 << 20
	// drainsMax and drainTimeout bound the calls that are read to their end although
	// their clients may do nothing here; more are refused at once.
	drainsMax    = 16
	drainTimeout = 10 * time.Second
)

// discarded is a message that is received and not decoded.
type discarded struct{ bytes int }

// drain discards what a call still sends, up to its end.
func drain(stream grpc.ServerStream) {
	for size := 0; size < drainBytesMax; {
		var m discarded
		if stream.RecvMsg(&m) != nil {
			return
		}
		size += m.bytes + 1
	}
}

// drainBriefly is drain for clients that are not known.
func drainBriefly(stream grpc.ServerStream) {
	done := make(chan struct{})
	go func() { // it ends with the call at the latest
		defer close(done)
		drain(stream)
	}()
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// drains lets a bounded number of refused calls be read to their end.
type drains chan struct{}

func newDrains() drains { return make(drains, drainsMax) }

// refuse ends a call with an error; how tells what kind of call it is.
func (d drains) refuse(stream grpc.ServerStream, how *grpc.StreamServerInfo, err error) error {
	if how.IsClientStream && !how.IsServerStream {
		select {
		case d <- struct{}{}:
			drainBriefly(stream)
			<-d
		default:
		}
	}
	stream.SetTrailer(trailersOf(err))
	return err
}
