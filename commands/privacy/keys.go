package privacy

import (
	"context"
	"errors"

	"github.com/order-ledger/order-ledger/commands"
)

var (
	// ErrNoKey says that there is no key with a name.
	ErrNoKey = errors.New("there is no such key")
	// ErrErased says that a key was destroyed, for good.
	ErrErased = commands.ErrErased
)

// Keys keeps keys, each of which seals the personal data of one request.
type Keys interface {
	// Take hands out a key that nobody had before, with its name. It is durable already: what is sealed under
	// it can be opened for as long as the key is not destroyed, whatever happens to this process.
	Take(ctx context.Context) (name string, key []byte, err error)
	// Key answers ErrNoKey or ErrErased when there is none with the name.
	Key(ctx context.Context, name string) ([]byte, error)
	// Destroy makes keys unreadable for everybody and returns when that is durable; the bytes of hidden ones of them are
	// in the event store's files until it scavenges those. Destroying what is destroyed is no
	// error; ErrNoKey says that some never were, or are gone, and that all others are destroyed.
	Destroy(ctx context.Context, names ...string) (hidden int, err error)
}
