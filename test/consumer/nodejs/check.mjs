// Writes, reads and consumes with the KurrentDB client: TestNodeJS/KurrentDB compares what it prints.
import { KurrentDBClient, jsonEvent, START, NO_STREAM, streamNameFilter, persistentSubscriptionToStreamSettingsFromDefaults, PARK } from "@kurrent/kurrentdb-client";
const client = KurrentDBClient.connectionString(process.argv[2]);
const stream = "order-node-js";
const events = [0, 1, 2].map((n) => jsonEvent({ type: "Numbered", data: { n } }));
const appended = await client.appendToStream(stream, events, { streamState: NO_STREAM });
console.log("append:", appended.success, "revision", String(appended.nextExpectedRevision));
try { await client.appendToStream(stream, jsonEvent({ type: "X", data: {} }), { streamState: NO_STREAM }); console.log("WRONG: accepted"); }
catch (e) { console.log("append at a wrong revision:", e.type); }
const read = [];
for await (const { event } of client.readStream(stream, { fromRevision: START })) read.push(event.data.n);
console.log("read:", read.join(" "));
const sub = client.subscribeToAll({ fromPosition: START, filter: streamNameFilter({ prefixes: ["order-"] }) });
const seen = [];
for await (const { event } of sub) { seen.push(event.data.n); if (seen.length === 3) break; }
console.log("subscription with a filter:", seen.join(" "));
await client.createPersistentSubscriptionToStream(stream, "js", persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START }));
const ps = client.subscribeToPersistentSubscriptionToStream(stream, "js");
const got = [];
for await (const r of ps) { got.push(r.event.data.n); if (r.event.data.n === 1) await ps.nack(PARK, "check", r); else await ps.ack(r); if (got.length === 3) break; }
await ps.unsubscribe();
console.log("persistent subscription:", got.join(" "));
for (let parked = 0; parked !== 1; ) parked = Number((await client.getPersistentSubscriptionToStreamInfo(stream, "js")).stats.parkedMessageCount);
console.log("parked: 1");
await client.dispose();
