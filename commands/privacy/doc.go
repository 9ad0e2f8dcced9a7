// Package privacy keeps personal data out of the log in clear, and makes it unreadable when somebody
// asks for that.
//
// What is personal is sealed (AES-256-GCM) under a key of its order's own; the token that comes out
// may stand in events, which nobody can change. The order's key is wrapped by a master key, which a
// KMS may hold. Erasing destroys the order's key: what was sealed under it, in the log and in every
// backup of the log, can never be read again, and shows as [erased].
//
// The wrapped keys do not live in the log. The log of the embedded node never gives bytes back: a
// deleted or tombstoned stream is hidden from reads, and stays on disk and in backups. A wrapped key
// in there could be unwrapped by whoever has the master key, so an erasure would be none. Keys are
// files instead, one for each order, which are overwritten and synced when they are destroyed.
//
// File systems that keep old blocks (snapshots, copy on write, flash) and backups of the key directory
// keep old wrapped keys for as long as they live; whoever needs more than that keeps the directory off
// them, or lets a KMS hold a master key that is replaced. Losing the directory is losing all that was
// sealed.
package privacy
