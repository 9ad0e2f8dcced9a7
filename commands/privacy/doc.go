// Package privacy keeps personal data out of the log in clear, and makes it unreadable when somebody
// asks for that.
//
// What is personal is sealed (AES-256-GCM) under a key that nothing else is sealed under; the token that
// comes out may stand in events, which nobody can change. Erasing an order destroys the keys of its tokens:
// what was sealed can never be read again, and shows as [erased].
//
// # Keys
//
// Keys stand on sheets (see Sheets) of 1,024 random keys each, encrypted under the sheet's own key, which
// the master key wraps; a KMS may hold that one, and is asked once for a sheet. A sheet is durable
// before the first of its keys is handed out, so
//
//   - a key is durable before anything is sealed under it, whatever crashes or fills up in between: keys that
//     nobody took are wasted, and nothing else;
//   - sealing touches no disk and no network, but for one in 1,024;
//   - destroying a key needs no master key.
//
// # Places
//
// A SheetStore keeps sheets. In a folder, a sheet is a file, and destroying overwrites a key's 64 bytes in place: no
// backup of the log has keys, and nothing is left to be compacted away later, but for what file systems keep of old
// blocks (snapshots, copy on write, flash). In streams, a sheet is the newest event of its stream, and destroying appends
// the sheet without the key: several ledgers share it, and a scavenge of the event store removes the older event.
// A KeyStore finds keys in both, and Move brings them together.
//
// There is one copy of all keys, which Merge brings up to date and which forgets what was
// destroyed. The decision record 0002 has the reasons. Losing the keys is losing all that was sealed.
package privacy
