// Package localpg runs a private PostgreSQL server beside the ledger, for the default set-up that
// needs nothing installed or configured, and for tests.
//
// # What it promises
//
//   - One directory holds everything: the cluster, its log, its password. Deleting the directory
//     is safe at any time while the ledger is stopped: all of it is rebuilt from the event log.
//   - Data is durable: fsync and synchronous_commit stay on (only Options.Ephemeral, made for tests,
//     turns them off).
//   - The server lives as long as the ledger that started it. Stop shuts it down; when the ledger is
//     killed, a supervising shell sees its end and shuts the server down; when that shell is killed
//     too, the next Start finds the server and replaces it. No server is ever left behind twice.
//   - A server that dies while the ledger runs is started again, on the same port.
//   - A second Start on a directory whose server runs gets that server and never stops it.
//   - It works for root: PostgreSQL refuses to run as root, so it runs as the user postgres or nobody,
//     and when that user cannot reach the directory the files go to a place that it can reach, with
//     a symbolic link left behind.
//
// # How a client connects
//
// Over TCP on 127.0.0.1, on a port that stays the same from start to start when it can, as user
// "ledger" with a random password that is kept in a file of mode 0600 (SCRAM-SHA-256). One URL serves
// the program and a person with psql, whoever they are logged in as. There is no Unix socket: it
// would need a directory with a path shorter than 100 bytes that survives the cleaning of temporary
// files, and a second way in to secure, for a gain that is small beside the work of a batch.
//
// # Processes
//
//	ledger ──pipe──► sh (supervisor.sh) ──► postgres ──► its own children
//
// The shell is the parent of postgres, so the process id that it signals cannot have been given to
// another process. It runs in its own process group: Ctrl-C in a terminal reaches the ledger only,
// which closes its connections before it stops the server.
package localpg
