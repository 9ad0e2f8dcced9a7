package projections

import "io/fs"

// ModelSource is the part of the fingerprint that is this package's.
func ModelSource() fs.FS { return modelSource }
