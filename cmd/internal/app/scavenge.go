package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/order-ledger/order-ledger/commands/privacy"
)

const (
	// DefaultScavengeInterval is the time between two scavenges of the embedded node.
	DefaultScavengeInterval = 24 * time.Hour
	// scavengeAfterStart is how long a process that starts leaves the log alone; scavengeAgainAfter is the pause after a
	// scavenge that failed.
	scavengeAfterStart = 10 * time.Minute
	scavengeAgainAfter = time.Hour
)

// ScavengeKeys removes sheets of keys that were replaced from the embedded node's files. Other engines are scavenged by
// those who run them.
func (s *Store) ScavengeKeys(ctx context.Context) error {
	if s.Node == nil {
		return nil
	}
	_, err := s.Node.Scavenge(ctx, privacy.KeyStreamPrefix)
	return err
}

// keysHidden tells that keys were destroyed in streams, and are still in files.
func (s *Store) keysHidden() {
	select {
	case s.hidden <- struct{}{}:
	default: // it is known
	}
}

// FinishErasure scavenges the keys that were destroyed since the store was opened, for who runs no Scavenging.
func (s *Store) FinishErasure(ctx context.Context) error {
	select {
	case <-s.hidden:
		return s.ScavengeKeys(ctx)
	default:
		return nil
	}
}

// Scavenging scavenges the embedded node until ctx ends: the whole log from time to time, never when interval is negative,
// and the streams of keys at once and after each erasure.
func (s *Store) Scavenging(ctx context.Context, interval time.Duration, logger *slog.Logger) error {
	if s.Node == nil {
		<-ctx.Done()
		return nil
	}
	if interval == 0 {
		interval = DefaultScavengeInterval
	}
	next := time.Now().Add(scavengeAfterStart)
	if last, err := s.Node.LastScavenge(); err == nil && last.Add(interval).After(next) {
		next = last.Add(interval)
	}
	s.keysHidden() // maybe by a process that ended before it could scavenge
	failed := false
	for {
		var due <-chan time.Time
		timer := time.NewTimer(time.Until(next))
		if interval > 0 || failed {
			due = timer.C
		}
		var err error
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.hidden:
			err = s.ScavengeKeys(ctx)
		case <-due:
			if interval < 0 {
				err = s.ScavengeKeys(ctx)
				break
			}
			next = time.Now().Add(interval)
			_, err = s.Node.Scavenge(ctx, "")
		}
		timer.Stop()
		if failed = err != nil; failed && ctx.Err() == nil {
			next = time.Now().Add(scavengeAgainAfter)
			logger.ErrorContext(ctx, "the event log could not be scavenged; it is tried again", slog.Any("error", err))
		}
	}
}
