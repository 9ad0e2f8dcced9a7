package protocol

// KeepaliveEnforcement shows the tests what cannot be asked of a running server
// in less than the time it takes to be thrown out.
var KeepaliveEnforcement = keepaliveEnforcement

// NewConnections shows the tests the options of sockets, which nobody else can see.
var NewConnections = newConnections

// KeepaliveTime is how long a client may be silent.
const KeepaliveTime = keepaliveTime
