package protocol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
)

// statusError is a gRPC status with the trailers that clients look at.
type statusError struct {
	code     codes.Code
	text     string
	trailers metadata.MD
}

func (e *statusError) Error() string { return e.text }

// GRPCStatus makes grpc send the status.
func (e *statusError) GRPCStatus() *status.Status { return status.New(e.code, e.text) }

func fail(code codes.Code, text string, trailers ...string) *statusError {
	return &statusError{code: code, text: text, trailers: metadata.Pairs(trailers...)}
}

// trailersOf returns a refusal's trailers, if it has any.
func trailersOf(err error) metadata.MD {
	if known, ok := errors.AsType[*statusError](err); ok {
		return known.trailers
	}
	return nil
}

// statusOf encodes an error of the node as a real server does.
func (s *streamsService) statusOf(ctx context.Context, stream string, err error) *statusError {
	var known *statusError
	var large *eventstore.TooLargeError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &large):
		return fail(codes.InvalidArgument, fmt.Sprintf("Maximum Append Size of %d Exceeded.", large.Limit),
			"exception", "maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(large.Limit))
	case errors.Is(err, eventstore.ErrStreamDeleted):
		// Clients index the stream's name without looking whether it is there.
		return fail(codes.FailedPrecondition, fmt.Sprintf("Event stream '%s' is deleted.", stream),
			"exception", "stream-deleted", "stream-name", printable(stream))
	case errors.Is(err, eventstore.ErrInvalid):
		return fail(codes.InvalidArgument, err.Error())
	case errors.Is(err, context.Canceled):
		return fail(codes.Canceled, "call cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(codes.DeadlineExceeded, "deadline exceeded")
	case errors.Is(err, eventstore.ErrUnavailable):
		return fail(codes.Unavailable, "Server Is Too Busy: "+err.Error())
	case errors.Is(err, eventstore.ErrClosed):
		return fail(codes.Unavailable, "Server Is Not Ready")
	}
	if known, ok := status.FromError(err); ok { // the library's: the client went away, or sent what is too large
		return fail(known.Code(), known.Message())
	}
	s.logger.ErrorContext(ctx, "event store call failed", slog.String("stream", stream), slog.Any("error", err))
	return fail(codes.Unknown, "Exception was thrown by handler.")
}

// printable makes a text fit for a header: gRPC refuses other bytes.
func printable(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}
