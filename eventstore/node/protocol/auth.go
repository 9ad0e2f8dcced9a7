package protocol

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// authenticator checks Basic credentials; without users it lets all pass.
type authenticator struct{ users map[string]string }

func (a authenticator) check(ctx context.Context) error {
	if len(a.users) == 0 {
		return nil
	}
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
		want, known := a.users[name]
		// Digests make the comparison's time independent of the lengths.
		got, expected := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(want))
		if subtle.ConstantTimeCompare(got[:], expected[:]) == 1 && known {
			return nil
		}
	}
	return status.Error(codes.Unauthenticated, "Not Authenticated")
}

// unary lets clients ask anonymously whom they talk to: the official ones send
// no password while they look for a node.
func (a authenticator) unary(ctx context.Context, req any, call *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	switch call.FullMethod {
	case serverfeatures.ServerFeatures_GetSupportedMethods_FullMethodName, gossip.Gossip_Read_FullMethodName:
	default:
		if err := a.check(ctx); err != nil {
			return nil, err
		}
	}
	return next(ctx, req)
}

func (a authenticator) stream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := a.check(stream.Context()); err != nil {
		return err
	}
	return next(server, stream)
}
