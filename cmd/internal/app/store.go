// Package app wires the parts of the ledger together: event store, intake,
// database and projector.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
	"github.com/order-ledger/order-ledger/projections"
)

// Store is the event store that the settings chose.
type Store struct {
	eventstore.Store
	// Node is the embedded node; nil with another engine.
	Node   *node.Node
	server *protocol.Server
	// hidden has a token when keys were destroyed in streams of the node and are still in its files.
	hidden chan struct{}
}

// OpenStore opens the engine. Another process on the same data directory is a
// *node.LockedError.
func OpenStore(s config.Settings, logger *slog.Logger) (*Store, error) {
	if s.EventStore != config.Embedded && s.EventStore != "" {
		if !strings.Contains(s.EventStore, "://") {
			return nil, errors.New("--eventstore (LEDGER_EVENTSTORE) is embedded, or a connection string like esdb://HOST:2113")
		}
		store, err := esdbstore.Open(esdbstore.Options{ConnectionString: s.EventStore, Logger: logger})
		if err != nil {
			return nil, fmt.Errorf("--eventstore (LEDGER_EVENTSTORE): %w", err)
		}
		return &Store{Store: store}, nil
	}
	if err := MakeDataDir(s); err != nil {
		return nil, err
	}
	n, err := node.Open(node.Options{Dir: s.EventsDir(), Logger: logger, Kept: keptForEver})
	if err != nil {
		return nil, err
	}
	return &Store{Store: n, Node: n, hidden: make(chan struct{}, 1)}, nil
}

// keptForEver tells the streams of the ledger that no scavenge touches, whatever a client of the event store says about
// them: all but canaries, which say nothing, and the sheets of keys, of which only the newest version may stay.
func keptForEver(stream string) bool {
	prefixes := append(projections.ModelPrefixes(), string(order.CategoryReference)+"-", push.StreamPrefix)
	return stream == exportsStream || stream == privacy.KeyStreamPrefix || // the latter lists the sheets
		slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(stream, prefix) })
}

// MakeDataDir makes the data directory. Others may pass through it, as the user
// that PostgreSQL runs as must; what is in it is not for them.
func MakeDataDir(s config.Settings) error {
	if err := os.MkdirAll(s.DataDir, 0o755); err != nil { //nolint:gosec // G301: see above
		return fmt.Errorf("make data directory: %w", err)
	}
	if s.EventStore != config.Embedded {
		return nil
	}
	if err := os.MkdirAll(s.EventsDir(), 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	return nil
}

// Serve lets EventStoreDB clients in, where the settings want it. It returns
// the address, empty when it does not serve.
func (s *Store) Serve(ctx context.Context, settings config.Settings, logger *slog.Logger) (string, error) {
	if s.Node == nil || settings.EventStoreListen == "off" || settings.EventStoreListen == "" {
		return "", nil
	}
	shown, err := config.LoadEventStoreServer(settings)
	if err != nil {
		return "", err
	}
	server, err := protocol.Start(ctx, protocol.Options{
		Node: s.Node, Listen: settings.EventStoreListen, Advertise: shown.Advertise, Certificate: shown.Certificate,
		Users: shown.Users, Readers: shown.Readers, ReadOnly: shown.ReadOnly, Logger: logger,
	})
	if err != nil {
		return "", err
	}
	s.server = server
	return server.Addr().String(), nil
}

// ConnectionString is what EventStoreDB clients reach the embedded node by, without a password; empty
// when it serves none.
func (s *Store) ConnectionString() string {
	if s.server == nil {
		return ""
	}
	return s.server.ConnectionString()
}

// Unwritable tells why the engine takes nothing at the moment, or nil.
func (s *Store) Unwritable() error {
	if err := s.Err(); err != nil || s.Node == nil {
		return err
	}
	return s.Node.Refuses()
}

// Err tells why the engine can take nothing until the process is started again, or nil.
func (s *Store) Err() error {
	if s.Node == nil || s.Node.Err() == nil {
		return nil
	}
	if err := s.Node.Err(); node.IsDamage(err) {
		return fmt.Errorf("the event log stopped writing, as it is damaged; `ledger verify` shows what of it, and a backup brings it back: %w", err)
	}
	return fmt.Errorf("the event log stopped writing; it needs a restart: %w", s.Node.Err())
}

// Watch returns when ctx ends, or with Err as soon as there is one: the process has to end then, so that
// a supervisor starts it again and the log is opened anew.
func (s *Store) Watch(ctx context.Context) error {
	if s.Node == nil {
		<-ctx.Done()
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.Node.Failed():
		return s.Err()
	}
}

// Close ends what Serve began and closes the engine.
func (s *Store) Close() error {
	var err error
	if s.server != nil {
		err = s.server.Stop()
	}
	return errors.Join(err, s.Store.Close())
}
