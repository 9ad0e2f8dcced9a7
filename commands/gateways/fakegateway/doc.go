// Package fakegateway is a stand-in for the three payment gateways: it speaks their HTTP APIs, checks
// credentials as they do, keeps orders, sends signed webhooks, and fails on request. Tests of the
// clients, of the reconciler and of the whole system use it, and so may a demonstration.
//
//	/decta/api/v0.6/orders/…                        Bearer
//	/everifin/token, /everifin/api/v2/{orders,payments}/…   OAuth2 client credentials
//	/connectpay/merchant/{payments,refunds}/…       Basic, X-Request-ID, X-Signature
//
// What a customer, a bank or the gateway's people do is done by the methods of Fake: Pay, Decline, Turn,
// Dispute, …. Time passes for an order by Pass, once it is backdated. What the documents do not tell is a
// guess in one place, here as in the clients.
package fakegateway
