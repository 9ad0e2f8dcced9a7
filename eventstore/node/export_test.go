package node

// VerifyFS is Verify on any file system, for the crash tests.
var VerifyFS = verifyFS
