package main

import (
	"strings"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// holder is the process that holds the embedded log, as it says itself in the log's lock file.
type holder struct {
	pid int
	// ledger is the URL of a whole ledger; a node that runs alone has node, its connection string, and
	// admin, the URL of its administration. All are empty while the process starts.
	ledger, node, admin string
}

// nodeHolder is what a node that runs alone writes into the lock file.
func nodeHolder(connection, admin string) string { return strings.TrimSpace(connection + " " + admin) }

func parseHolder(pid int, info string) holder {
	first, rest, _ := strings.Cut(info, " ")
	if strings.HasPrefix(first, "esdb://") {
		return holder{pid: pid, node: first, admin: rest}
	}
	return holder{pid: pid, ledger: first}
}

// at is where the holder can be reached, for people.
func (h holder) at() string {
	if h.node != "" {
		return h.node
	}
	return h.ledger
}

// holder finds out who holds the embedded log; ok is false when nobody does, and with another engine,
// which anybody can open.
func (c *cli) holder() (h holder, ok bool) {
	if c.settings.EventStore != config.Embedded {
		return h, false
	}
	pid, info, held, err := node.ReadLock(c.settings.EventsDir())
	if err != nil || !held {
		return h, false
	}
	return parseHolder(pid, info), true
}

// runningLedger is the URL of the ledger that holds the embedded log; empty when none does.
func (c *cli) runningLedger() string {
	h, _ := c.holder()
	return h.ledger
}
