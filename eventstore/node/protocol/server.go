package protocol

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/order-ledger/order-ledger/eventstore/node"
)

const (
	// messageBytesMax bounds one message from a client, that is one event; it
	// is the real server's bound.
	messageBytesMax = 16 << 20
	// answerBytesMax bounds one message to a client; clients accept no more.
	answerBytesMax = 17 << 20
	// streamsPerConnectionMax bounds the calls that one connection may have
	// open, subscriptions included.
	streamsPerConnectionMax = 1024
	// keepaliveMinimum is how often clients may ping; they do it every 10 s,
	// also while they have no call open.
	keepaliveMinimum = 5 * time.Second
	// keepaliveTime is after how long a silent client is pinged, and then how
	// long it may take to answer before its connection is closed.
	keepaliveTime = 10 * time.Second
	// handlersKept is how many goroutines are kept to run calls, with the stacks that calls need: growing a
	// new one for each costs as much as storing an event. More calls at a time get new ones. The option is
	// experimental in the library, whose version is pinned: should it go, calls only cost more.
	handlersKept = 256
	// callsMax bounds the calls that all connections together may have open.
	callsMax = 4096
	// stopTimeout is how long running calls may take to end on Stop.
	stopTimeout = 5 * time.Second
)

// Options configure a server. Node and Listen are required.
type Options struct {
	Node *node.Node
	// Listen is the TCP address to serve on. Anything but a loopback address
	// needs Certificate and Users or Readers.
	Listen string
	// Advertise is the host and port that discovering clients are told; empty
	// is the address listened on, unless that is all interfaces.
	Advertise string
	// Certificate switches TLS on.
	Certificate *tls.Certificate
	// Users maps names to passwords for Basic authentication; it needs TLS,
	// as clients send no password without.
	Users map[string]string
	// Readers are users that may read and subscribe, and nothing else.
	Readers map[string]string
	// ReadOnly lets nobody append, delete or change persistent subscriptions through the server.
	ReadOnly bool
	// AppendBytes bounds the memory of all appends that are being received or wait
	// for the writer; more are answered with Unavailable. 0 is 128 MiB.
	AppendBytes int64
	// ConnectionBytes bounds what all connections together hold of messages that have arrived in part and of
	// events that are not taken; the connection that holds the most for the longest is closed. 0 is 256 MiB.
	ConnectionBytes int64
	Logger          *slog.Logger // nil discards
}

// Server serves one node until it is stopped.
type Server struct {
	node     *node.Node
	logger   *slog.Logger
	listener net.Listener
	grpc     *grpc.Server
	tls      bool
	// advertised is where clients reach the server.
	advertised *gossip.EndPoint

	persistent *persistentService
	// stopping ends subscriptions, which would keep a graceful stop waiting
	// for ever.
	stopping chan struct{}
	stopOnce sync.Once
	stopErr  error
	served   chan error
}

// Start listens and serves.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := checkExposure(o); err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve the event store protocol on %s: %w", o.Listen, err)
	}
	s := &Server{
		node: o.Node, logger: o.Logger, listener: listener, stopping: make(chan struct{}), served: make(chan error, 1),
		tls: o.Certificate != nil,
	}
	if s.advertised, err = endPoint(o.Advertise, listener.Addr()); err != nil {
		_ = listener.Close()
		return nil, err
	}
	refused := newDrains()
	auth := authenticator{users: o.Users, readers: o.Readers, readOnly: o.ReadOnly, drains: refused}
	guard := &guard{logger: o.Logger, drains: refused}
	options := []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepaliveEnforcement()),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTime}),
		grpc.MaxRecvMsgSize(messageBytesMax), grpc.MaxSendMsgSize(answerBytesMax),
		grpc.ForceServerCodecV2(newFrameCodec()),
		grpc.MaxConcurrentStreams(streamsPerConnectionMax),
		grpc.NumStreamWorkers(handlersKept),
		grpc.InitialWindowSize(streamWindowBytes), grpc.InitialConnWindowSize(connectionWindowBytes),
		grpc.MaxHeaderListSize(headerBytesMax), grpc.ConnectionTimeout(handshakeTimeout),
		grpc.ChainUnaryInterceptor(guard.unary, auth.unary), grpc.ChainStreamInterceptor(guard.stream, auth.stream),
	}
	transport := insecure.NewCredentials()
	if o.Certificate != nil {
		transport = credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{*o.Certificate}, MinVersion: tls.VersionTLS12})
	}
	options = append(options, grpc.Creds(metered{transport}))
	s.grpc = grpc.NewServer(options...)
	service := &streamsService{node: o.Node, logger: o.Logger, stopping: s.stopping, budget: newBudget(o.AppendBytes)}
	if s.persistent, err = newPersistentService(ctx, service); err != nil {
		_ = listener.Close()
		return nil, err
	}
	streams.RegisterStreamsServer(s.grpc, service)
	persistent.RegisterPersistentSubscriptionsServer(s.grpc, s.persistent)
	serverfeatures.RegisterServerFeaturesServer(s.grpc, featuresService{})
	gossip.RegisterGossipServer(s.grpc, gossipService{instance: uuid.New(), address: s.advertised})
	go func() { s.served <- s.grpc.Serve(newConnections(listener, o.ConnectionBytes)) }()
	return s, nil
}

// Addr is the address listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// ConnectionString is how a client reaches the server at its advertised address; credentials are not in it.
func (s *Server) ConnectionString() string {
	address := net.JoinHostPort(s.advertised.GetAddress(), strconv.FormatUint(uint64(s.advertised.GetPort()), 10))
	return "esdb://" + address + "?tls=" + strconv.FormatBool(s.tls)
}

// Stop ends subscriptions, lets running calls end for a bounded time, and
// releases the address. The node stays open: it is the caller's.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() { s.stopErr = s.stop() })
	return s.stopErr
}

func (s *Server) stop() error {
	close(s.stopping)
	s.persistent.stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.grpc.Stop()
		<-done
	}
	if err := <-s.served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve the event store protocol: %w", err)
	}
	return nil
}

// keepaliveEnforcement lets clients ping idle connections as often as they do;
// the library's own default would disconnect them after half a minute.
func keepaliveEnforcement() keepalive.EnforcementPolicy {
	return keepalive.EnforcementPolicy{MinTime: keepaliveMinimum, PermitWithoutStream: true}
}

// checkExposure refuses to show the log to a network without TLS and users.
func checkExposure(o Options) error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("event store listen address %q: %w", o.Listen, err)
	}
	users := len(o.Users) + len(o.Readers)
	if users > 0 && o.Certificate == nil {
		return errors.New("event store users need a certificate: clients send no password without TLS")
	}
	for _, kind := range []map[string]string{o.Users, o.Readers} {
		for name, password := range kind {
			if name == "" || password == "" {
				return fmt.Errorf("event store user %q has no name or no password", name)
			}
		}
	}
	for name := range o.Readers {
		if _, writes := o.Users[name]; writes {
			return fmt.Errorf("event store user %q is both a user and a reader", name)
		}
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || (ip != nil && ip.IsLoopback())
	if !loopback && (o.Certificate == nil || users == 0) {
		return fmt.Errorf("event store listen address %q is open to the network: it needs a certificate and users", o.Listen)
	}
	return nil
}
