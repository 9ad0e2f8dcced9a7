package esdbstore

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
)

// gotRevision and deleteConflict find the actual revision in the client's text
// of a version conflict, the only place where it can be had.
var (
	gotRevision    = regexp.MustCompile(`but got '(-?\d+|no_stream)'`)
	deleteConflict = regexp.MustCompile(`WrongExpectedVersion\. Stream: .*Actual version: (-?\d*)`)
)

// translate maps what the client answers to the port's errors. The original
// stays in the chain.
func translate(ctx context.Context, stream string, expected eventstore.ExpectedRevision, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, eventstore.ErrClosed) || errors.Is(err, eventstore.ErrUnavailable) ||
		errors.Is(err, eventstore.ErrAccessDenied) || errors.Is(err, eventstore.ErrStreamDeleted) {
		return err // understood already
	}
	if ctx.Err() != nil { // the client reports a cancelled call as unknown
		return context.Cause(ctx)
	}
	var e *esdb.Error
	if errors.As(err, &e) {
		if known := translateCode(e, stream, expected, err); known != nil {
			return known
		}
	}
	return translateText(err)
}

func translateCode(e *esdb.Error, stream string, expected eventstore.ExpectedRevision, err error) error {
	switch e.Code() {
	case esdb.ErrorCodeWrongExpectedVersion:
		return &eventstore.WrongExpectedRevisionError{Stream: stream, Expected: expected, Actual: actualRevision(err)}
	case esdb.ErrorCodeStreamDeleted:
		return joined(eventstore.ErrStreamDeleted, err)
	case esdb.ErrorCodeResourceNotFound:
		return joined(eventstore.ErrStreamNotFound, err)
	case esdb.ErrorCodeAccessDenied, esdb.ErrorCodeUnauthenticated:
		return joined(eventstore.ErrAccessDenied, err)
	case esdb.ErrorCodeConnectionClosed, esdb.ErrorCodeNotLeader:
		return joined(eventstore.ErrUnavailable, errors.Join(errNotSent, err))
	case esdb.ErrorUnavailable, esdb.ErrorAborted, esdb.ErrorCodeDeadlineExceeded:
		if isClientDead(err) {
			return joined(eventstore.ErrUnavailable, errors.Join(errNotSent, err))
		}
		return joined(eventstore.ErrUnavailable, err)
	case esdb.ErrorCodeParsing, esdb.ErrorCodeUnsupportedFeature, esdb.ErrorCodeResourceAlreadyExists:
		return joined(eventstore.ErrInvalid, err)
	case esdb.ErrorCodeUnknown, esdb.ErrorCodeInternalClient, esdb.ErrorCodeInternalServer:
	}
	return nil
}

// translateText maps errors that carry nothing but a gRPC status or text.
func translateText(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Append Size") && strings.Contains(text, "Exceeded"):
		return joined(&eventstore.TooLargeError{Limit: eventstore.MaxAppendSize}, err)
	case strings.Contains(text, "is deleted"), strings.Contains(text, "stream-deleted"):
		return joined(eventstore.ErrStreamDeleted, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// The server ended the call early and the client lost its reason.
		return joined(eventstore.ErrUnavailable, err)
	}
	if s, ok := statusOf(err); ok {
		switch s.Code() {
		case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Canceled, codes.Internal, codes.Unknown:
			return joined(eventstore.ErrUnavailable, err)
		case codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
			return joined(eventstore.ErrInvalid, err)
		case codes.PermissionDenied, codes.Unauthenticated:
			return joined(eventstore.ErrAccessDenied, err)
		case codes.NotFound:
			return joined(eventstore.ErrStreamNotFound, err)
		case codes.OK, codes.AlreadyExists, codes.FailedPrecondition, codes.DataLoss:
		}
	}
	return err
}

// translateDelete knows that deletes report a version conflict as text.
func translateDelete(ctx context.Context, stream string, expected eventstore.ExpectedRevision, err error) error {
	if m := deleteConflict.FindStringSubmatch(err.Error()); m != nil {
		return &eventstore.WrongExpectedRevisionError{Stream: stream, Expected: expected, Actual: parseActual(m[1])}
	}
	err = translate(ctx, stream, expected, err)
	if errors.Is(err, eventstore.ErrStreamNotFound) {
		return &eventstore.WrongExpectedRevisionError{Stream: stream, Expected: expected, Actual: -1}
	}
	return err
}

// errNotSent says that a call has not reached a server.
var errNotSent = errors.New("not sent")

// connectError is what everybody gets who waited for a connection.
func connectError(err error) error {
	var e *esdb.Error
	if errors.As(err, &e) && (e.Code() == esdb.ErrorCodeAccessDenied || e.Code() == esdb.ErrorCodeUnauthenticated) {
		return joined(eventstore.ErrAccessDenied, err)
	}
	return joined(eventstore.ErrUnavailable, errors.Join(errNotSent, err))
}

// isClientDead tells that the client will never answer again.
func isClientDead(err error) bool {
	var e *esdb.Error
	return errors.As(err, &e) &&
		(e.Code() == esdb.ErrorCodeConnectionClosed || strings.Contains(e.Error(), "maximum discovery attempt count reached"))
}

// lostItsReason tells that the server ended a call and the client does not say why.
func lostItsReason(err error) bool { return errors.Is(err, io.EOF) }

// isRefusal tells that the server will not do it, however often it is asked.
func isRefusal(err error) bool {
	return errors.Is(err, eventstore.ErrAccessDenied) || errors.Is(err, eventstore.ErrStreamDeleted)
}

// isDisconnected tells that the connection is of no more use, by a typed error
// or, from subscriptions, a bare status.
func isDisconnected(err error) bool {
	var e *esdb.Error
	if errors.As(err, &e) && e.Code() == esdb.ErrorUnavailable {
		return true
	}
	s, ok := statusOf(err)
	return ok && s.Code() == codes.Unavailable
}

// statusOf finds a gRPC status anywhere in the chain.
func statusOf(err error) (*status.Status, bool) {
	var g interface{ GRPCStatus() *status.Status }
	if errors.As(err, &g) {
		return g.GRPCStatus(), true
	}
	return nil, false
}

func actualRevision(err error) int64 {
	m := gotRevision.FindStringSubmatch(err.Error())
	if m == nil {
		return -2
	}
	return parseActual(m[1])
}

// parseActual reads a revision out of a text; -2 when there is none.
func parseActual(text string) int64 {
	if text == "no_stream" {
		return -1
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -2
	}
	return n
}

// translated is an error of the port with what the client said as its cause.
type translated struct{ known, cause error }

func joined(known, cause error) error { return &translated{known: known, cause: cause} }

func (e *translated) Error() string   { return e.known.Error() + ": " + e.cause.Error() }
func (e *translated) Unwrap() []error { return []error{e.known, e.cause} }
