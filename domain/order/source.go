package order

import (
	"embed"
	"io/fs"
)

//go:embed amounts.go balances.go clock.go codec.go decode.go upcast.go encode.go event.go event_command.go event_correction.go event_gateway.go event_intake.go event_payment.go event_refund.go event_settlement.go
//go:embed event_ids.go evolve.go evolve_dispute.go evolve_payment.go evolve_refund.go evolve_settlement.go fact.go flag.go id.go metadata.go state.go stream.go
var foldSource embed.FS

// FoldSource is the source of what decodes and folds events: of what the rows of an order mean.
// Projections take a fingerprint of it, to notice rows that an older fold wrote. Code that only decides
// is not part of it: it makes new events, and does not change what old ones mean.
func FoldSource() fs.FS { return foldSource }
