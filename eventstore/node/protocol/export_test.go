package protocol

// KeepaliveEnforcement shows the tests what cannot be asked of a running server
// in less than the time it takes to be thrown out.
var KeepaliveEnforcement = keepaliveEnforcement
