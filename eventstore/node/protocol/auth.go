package protocol

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// authenticator checks Basic credentials; without users and readers it lets all pass. Readers may only
// read; with readOnly nobody may do more.
type authenticator struct {
	users, readers map[string]string
	readOnly       bool
	drains         drains
}

// readingMethods are the calls that change no stream. Who reads through a persistent subscription moves
// its checkpoint and may park what they cannot process: the group is made, changed and deleted by users.
func readingMethods() []string {
	return []string{
		streams.Streams_Read_FullMethodName,
		persistent.PersistentSubscriptions_Read_FullMethodName,
		persistent.PersistentSubscriptions_GetInfo_FullMethodName,
		persistent.PersistentSubscriptions_List_FullMethodName,
	}
}

// check tells whether a call may go on.
func (a authenticator) check(ctx context.Context, method string) error {
	mayWrite := true
	if len(a.users)+len(a.readers) > 0 {
		var known bool
		if known, mayWrite = a.who(ctx); !known {
			return status.Error(codes.Unauthenticated, "Not Authenticated")
		}
	}
	if (mayWrite && !a.readOnly) || slices.Contains(readingMethods(), method) {
		return nil
	}
	return fail(codes.PermissionDenied, "Access Denied", "exception", "access-denied")
}

// who looks the caller up.
func (a authenticator) who(ctx context.Context) (known, mayWrite bool) {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, value := range md.Get("authorization") {
		encoded, ok := strings.CutPrefix(value, "Basic ")
		if !ok {
			continue
		}
		text, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue
		}
		name, password, _ := strings.Cut(string(text), ":")
		if matches(a.users, name, password) {
			return true, true
		}
		if matches(a.readers, name, password) {
			return true, false
		}
	}
	return false, false
}

func matches(users map[string]string, name, password string) bool {
	want, known := users[name]
	// Digests make the comparison's time independent of the lengths.
	got, expected := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(got[:], expected[:]) == 1 && known
}

// unary lets clients ask anonymously whom they talk to: the official ones send
// no password while they look for a node.
func (a authenticator) unary(ctx context.Context, req any, call *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	switch call.FullMethod {
	case serverfeatures.ServerFeatures_GetSupportedMethods_FullMethodName, gossip.Gossip_Read_FullMethodName:
	default:
		if err := a.check(ctx, call.FullMethod); err != nil {
			setTrailer(ctx, trailersOf(err))
			return nil, err
		}
	}
	return next(ctx, req)
}

func (a authenticator) stream(server any, stream grpc.ServerStream, call *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := a.check(stream.Context(), call.FullMethod); err != nil {
		return a.drains.refuse(stream, call, err)
	}
	return next(server, stream)
}
