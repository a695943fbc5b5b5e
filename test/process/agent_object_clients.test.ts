/** Connections for objects' bytes: one for each lane, reused; those beyond the first go when they are idle, all when they break. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { NodeId } from "../../runtime/common/ids.ts";
import { ObjectClients } from "../../runtime/process/agent_object_clients.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const node = "n-1" as NodeId;
let server: Http2Server;
let address: string;
const sessions = new Set<ServerHttp2Session>();
let accepted = 0;

beforeAll(async () => {
  server = createServer();
  server.on("session", (session) => {
    accepted++;
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

function clients(idleMs: number, addressOf: () => string = () => address): ObjectClients {
  return new ObjectClients(
    { peers: { addressOf }, token: "t", clusterId: "c", tls: undefined },
    idleMs,
  );
}

const nothing = (): Promise<void> => Promise.resolve();

test("a lane's connection is made once, and all but the first are closed when they were idle", async () => {
  const all = clients(20);
  const before = accepted;
  await Promise.all([0, 0, 1, 2].map((lane) => all.use(node, lane, nothing)));
  expect(accepted - before).toBe(3);
  // One in use stays, however long that takes.
  const busy = Promise.withResolvers<void>();
  const used = all.use(node, 1, () => busy.promise);
  await waitFor("the idle one is closed", () => all.count === 2 && sessions.size === 2);
  busy.resolve();
  await used;
  await waitFor("only the first is left", () => all.count === 1 && sessions.size === 1);
  await all.use(node, 0, nothing);
  expect(accepted - before).toBe(3);
  all.close();
  await waitFor("all are closed", () => sessions.size === 0);
});

test("one that broke or could not be made is made anew", async () => {
  const all = clients(10_000);
  await all.use(node, 1, nothing);
  for (const session of sessions) session.destroy();
  await waitFor("it is forgotten", () => all.count === 0);
  await all.use(node, 1, nothing);
  expect(all.count).toBe(1);
  all.close();
  let isDead = true;
  const late = clients(10_000, () => {
    if (isDead) throw new Error("n-1 is dead");
    return address;
  });
  expect((await rejection(late.use(node, 0, nothing))).message).toBe("n-1 is dead");
  isDead = false;
  await late.use(node, 0, nothing);
  late.close();
  await waitFor("all are closed", () => sessions.size === 0);
});
