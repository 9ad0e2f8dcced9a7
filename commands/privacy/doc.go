// Package privacy keeps personal data out of the log in clear, and makes it unreadable when somebody
// asks for that.
//
// What is personal is sealed (AES-256-GCM) under a key that nothing else is sealed under; the token that
// comes out may stand in events, which nobody can change. Erasing an order destroys the keys of its tokens:
// what was sealed, in the log and in every backup of the log, can never be read again, and shows as [erased].
//
// # Keys
//
// Keys stand on sheets (see Sheets): files of 1,024 random keys each, encrypted under the sheet's own key, which
// the master key wraps; a KMS may hold that one, and is asked once for a sheet. A sheet is written and synced
// before the first of its keys is handed out, so
//
//   - a key is durable before anything is sealed under it, whatever crashes or fills up in between: keys that
//     nobody took are wasted, and nothing else;
//   - sealing touches no disk and no network, but for one in 1,024;
//   - destroying a key overwrites its 64 bytes in place and syncs them, needs no master key, and leaves nothing
//     to be compacted away later.
//
// Keys do not live in the log, and no backup of the log has them: one that is older than an erasure would
// bring them back. There is one copy of them, which Merge brings up to date and which forgets what was
// destroyed. The decision record 0002 has the reasons.
//
// File systems that keep old blocks (snapshots, copy on write, flash) keep old keys for as long as those live.
// Losing the folder is losing all that was sealed.
package privacy
