package settlement

import (
	"embed"
	"io/fs"
)

//go:embed booking.go exchange.go line.go
var source embed.FS

// Source is the source of what lines and bookings mean in the books. Projections take a fingerprint of it, with that of
// the fold: see order.FoldSource.
func Source() fs.FS { return source }
