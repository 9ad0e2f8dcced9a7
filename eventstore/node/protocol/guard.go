package protocol

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// guard bounds the calls that are open at a time, and keeps a panic of one from
// ending the process.
type guard struct {
	logger *slog.Logger
	open   atomic.Int64
	drains drains
}

func (g *guard) unary(ctx context.Context, req any, call *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer g.recover(ctx, call.FullMethod, &err)
	if err := g.enter(); err != nil {
		return nil, err
	}
	defer g.open.Add(-1)
	return next(ctx, req)
}

func (g *guard) stream(server any, stream grpc.ServerStream, call *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer g.recover(stream.Context(), call.FullMethod, &err)
	if err := g.enter(); err != nil {
		return g.drains.refuse(stream, call, err)
	}
	defer g.open.Add(-1)
	return next(server, stream)
}

func (g *guard) enter() error {
	if g.open.Add(1) > callsMax {
		g.open.Add(-1)
		return status.Error(codes.Unavailable, fmt.Sprintf("Server Is Too Busy: %d calls are open", callsMax))
	}
	return nil
}

func (g *guard) recover(ctx context.Context, method string, err *error) {
	if p := recover(); p != nil {
		g.logger.ErrorContext(ctx, "event store call panicked", slog.String("method", method),
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		*err = status.Error(codes.Unknown, "Exception was thrown by handler.")
	}
}
