package accounting

import (
	"embed"
	"io/fs"
)

//go:embed account.go balances.go entity.go entry.go period.go statement.go
var source embed.FS

// Source is the source of what decides the entries of an event. Projections take a fingerprint of it, with
// that of the fold: see order.FoldSource.
func Source() fs.FS { return source }
