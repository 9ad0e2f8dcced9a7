package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// replay answers a command that was carried out before: the order as it was just after it. The log is
// all that is asked, so that keys never expire.
func (o *Orders) replay(ctx context.Context, target link, r Request, digest string, action order.Action) (Done, error) {
	done := Done{OrderID: target.OrderID, Category: target.Category, Replayed: true}
	id := order.CommandEventID(target.OrderID, digest)
	var state order.State
	var correlation string
	for recorded, err := range o.in.log.ReadStream(ctx, target.stream(), eventstore.StreamRead{}) {
		if err != nil {
			return Done{}, fmt.Errorf("read stream %q: %w", target.stream(), err)
		}
		event, metadata, err := decode(recorded)
		if err != nil {
			return Done{}, err
		}
		if correlation != "" && metadata.CorrelationID != correlation {
			break // one append stands together
		}
		state.Apply(order.Recorded{
			Event: event, ID: recorded.ID, Revision: recorded.Revision, Position: recorded.Position.Commit, Metadata: metadata,
		})
		done.Revision, done.Position, done.At = recorded.Revision, recorded.Position, metadata.RecordedAt
		if recorded.ID == id {
			command, ok := event.(order.CommandRecorded)
			if !ok {
				return Done{}, fmt.Errorf("stream %q revision %d is no command", target.stream(), recorded.Revision)
			}
			if command.Action != action.ActionName() {
				return Done{}, &KeyReusedError{Fields: []string{"action"}}
			}
			if err := o.same(ctx, target.OrderID, &command, r); err != nil {
				return Done{}, err
			}
			correlation, done.Request, done.CommandID = metadata.CorrelationID, command.Request, command.CommandID
		}
	}
	if correlation == "" {
		return Done{}, fmt.Errorf("stream %q: %w: a command that was there is not", target.stream(), eventstore.ErrUnavailable)
	}
	done.State, done.Through = state, Through{Revision: done.Revision, Position: done.Position}
	return done, nil
}

// Command is what was asked by a command of an order, with its personal data; nil personal data when it was
// erased.
func (o *Orders) Command(ctx context.Context, c order.Category, orderID, commandID string) (body, personal json.RawMessage, err error) {
	stream := order.StreamName(c, orderID)
	for recorded, err := range o.in.log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if err != nil {
			return nil, nil, fmt.Errorf("read stream %q: %w", stream, err)
		}
		if recorded.Type != (order.CommandRecorded{}).EventType() {
			continue
		}
		event, _, err := decode(recorded)
		if err != nil {
			return nil, nil, err
		}
		command, ok := event.(order.CommandRecorded)
		if !ok || command.CommandID != commandID {
			continue
		}
		if command.Sealed == "" || o.personal == nil {
			return command.Request, nil, nil
		}
		personal, err := o.personal.Open(ctx, orderID, command.Sealed)
		if err != nil && !errors.Is(err, ErrErased) {
			return nil, nil, fmt.Errorf("read command %s of order %s: %w", commandID, orderID, err)
		}
		return command.Request, personal, nil
	}
	return nil, nil, fmt.Errorf("order %s has no command %s", orderID, commandID)
}

// same tells whether a request is that of a recorded command; *KeyReusedError names what differs.
func (o *Orders) same(ctx context.Context, orderID string, c *order.CommandRecorded, r Request) error {
	fields, err := differences(c.Request, r.Body)
	if err != nil {
		return err
	}
	personal, err := o.samePersonal(ctx, orderID, c.Sealed, r.Personal)
	if err != nil {
		return err
	}
	if fields = append(fields, personal...); len(fields) > 0 {
		return &KeyReusedError{Fields: fields}
	}
	return nil
}

func (o *Orders) samePersonal(ctx context.Context, orderID, sealed string, personal json.RawMessage) ([]string, error) {
	switch {
	case sealed == "" && len(personal) == 0:
		return nil, nil
	case sealed == "":
		return differences(nil, personal)
	case o.personal == nil:
		return nil, ErrNoSealer
	}
	first, err := o.personal.Open(ctx, orderID, sealed)
	if errors.Is(err, ErrErased) { // nothing is left to compare with
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare with the first request: %w", err)
	}
	return differences(first, personal)
}

// differences are the paths at which two JSON documents differ, sorted.
func differences(a, b json.RawMessage) ([]string, error) {
	left, right := map[string]string{}, map[string]string{}
	for raw, into := range map[*json.RawMessage]map[string]string{&a: left, &b: right} {
		if len(*raw) == 0 {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(*raw))
		decoder.UseNumber()
		var v any
		if err := decoder.Decode(&v); err != nil {
			return nil, fmt.Errorf("compare requests: %w", err)
		}
		flatten("", v, into)
	}
	found := map[string]struct{}{}
	for path, v := range left {
		if w, ok := right[path]; !ok || w != v {
			found[path] = struct{}{}
		}
	}
	for path := range right {
		if _, ok := left[path]; !ok {
			found[path] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// flatten lists the leaves of a JSON value by their paths: products[0].price.
func flatten(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			inner := name
			if path != "" {
				inner = path + "." + name
			}
			flatten(inner, member, into)
		}
	case []any:
		for i, member := range v {
			flatten(path+"["+strconv.Itoa(i)+"]", member, into)
		}
	default:
		into[path] = fmt.Sprintf("%T %v", v, v)
	}
}
