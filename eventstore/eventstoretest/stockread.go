package eventstoretest

import (
	"errors"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// stockReadAllEdges: nothing is behind the end of the log, nothing before its beginning, and a commit cannot be before its prepare.
func stockReadAllEdges(s *stock) {
	s.append(s.stream("s"), "T", "0")
	read := func(options esdb.ReadAllOptions) error {
		read, err := s.client.ReadAll(s.ctx, options, 10)
		if err != nil {
			return err
		}
		defer read.Close()
		e, err := read.Recv()
		if err == nil {
			s.Errorf("read %+v shows %+v", options, e.OriginalEvent())
		}
		return err
	}
	if err := read(esdb.ReadAllOptions{From: esdb.Start{}, Direction: esdb.Backwards}); !errors.Is(err, io.EOF) {
		s.Errorf("backwards from the start: %v", err)
	}
	if s.features.OwnLog { // else others may append meanwhile
		if err := read(esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Forwards}); !errors.Is(err, io.EOF) {
			s.Errorf("forwards from the end: %v", err)
		}
	}
	if err := read(esdb.ReadAllOptions{From: esdb.Position{Commit: 1, Prepare: 2}, Direction: esdb.Forwards}); err == nil || errors.Is(err, io.EOF) {
		s.Errorf("from a commit before its prepare: %v", err)
	}
}

// stockSubscribeFromEnd: who subscribes at the end, which is where the client does when nothing is said, gets what comes then.
func stockSubscribeFromEnd(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "before")
	filter := &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{stream}}
	for name, open := range map[string]func() (*esdb.Subscription, error){
		"stream": func() (*esdb.Subscription, error) {
			return s.client.SubscribeToStream(s.ctx, stream, esdb.SubscribeToStreamOptions{From: esdb.End{}})
		},
		"stream, nothing said": func() (*esdb.Subscription, error) {
			return s.client.SubscribeToStream(s.ctx, stream, esdb.SubscribeToStreamOptions{})
		},
		"all": func() (*esdb.Subscription, error) {
			return s.client.SubscribeToAll(s.ctx, esdb.SubscribeToAllOptions{From: esdb.End{}, Filter: filter})
		},
	} {
		sub, err := open()
		if err != nil {
			s.Fatalf("%s: %v", name, err)
		}
		for e := sub.Recv(); e.CaughtUp == nil; e = sub.Recv() {
			if e.EventAppeared != nil || e.SubscriptionDropped != nil {
				s.Fatalf("%s: shows %+v before anything comes", name, e)
			}
		}
		id := s.append(stream, "T", name)[0]
		e := sub.Recv()
		for e.EventAppeared == nil && e.SubscriptionDropped == nil {
			e = sub.Recv()
		}
		if e.EventAppeared == nil || e.EventAppeared.Event.EventID != id {
			s.Errorf("%s: shows %+v, want the event that came", name, e)
		}
		_ = sub.Close()
	}
}
