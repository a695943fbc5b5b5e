/**
 * The serving end of the pairing test, run under each runtime: listens on HTTP/2 and on a unix socket, prints the address
 * and ends when stdin does, telling what it has left open.
 *
 *   peer_server.ts SOCKET_PATH [tls]
 * @module
 */
import process from "node:process";
import { PROTOCOL_VERSION } from "../../../runtime/common/config.ts";
import type { NodeId } from "../../../runtime/common/ids.ts";
import type { Connection } from "../../../runtime/io/transport/connection.ts";
import { Gate } from "../../../runtime/io/transport/handshake.ts";
import type { TlsOptions } from "../../../runtime/io/transport/http2.ts";
import { listenHttp2 } from "../../../runtime/io/transport/http2_server.ts";
import { Reply, Rpc } from "../../../runtime/io/transport/rpc.ts";
import { listenUnix } from "../../../runtime/io/transport/unix.ts";
import {
  type ClientMethods,
  CLUSTER,
  MIB,
  objectBytes,
  QUEUE_BYTES_MAX,
  type ServerMethods,
  tlsOf,
  TOKEN,
} from "./peer_methods.ts";

async function serve(path: string, tls: TlsOptions | undefined): Promise<void> {
  const bytes = objectBytes();
  let count = 0;
  let countedBytes = 0;
  let readersOpen = 0;
  const gate = new Gate({
    token: TOKEN,
    clusterId: CLUSTER,
    accept: (hello) => ({ version: PROTOCOL_VERSION, clusterId: CLUSTER, id: `welcome ${hello.id}` }),
  });
  const onConnection = (connection: Connection): void => {
    const rpc: Rpc<ServerMethods, ClientMethods> = new Rpc<ServerMethods, ClientMethods>(connection, {
      echo: ({ text }, sections) => new Reply({ text }, sections),
      fail: () => {
        throw new RangeError("not that far");
      },
      count: (_params, sections) => {
        count += 1;
        for (const section of sections) countedBytes += section.length;
      },
      counted: () => ({ count, bytes: countedBytes }),
      flood: (params) => flood(rpc, connection, params),
    });
  };
  const connection = { queueBytesMax: QUEUE_BYTES_MAX };
  const unixListener = await listenUnix({ path, gate, onConnection, connection });
  const listener = await listenHttp2({
    port: 0,
    gate,
    ...(tls === undefined ? {} : { tls }),
    onConnection,
    connection,
    objects: ({ id, from, mayRefer }) => {
      if (id === "o-none") return null;
      // Two holders, the asker's name in the first.
      if (id === "o-busy" && mayRefer) return { holders: [`${from}-1` as NodeId, "n-2" as NodeId] };
      readersOpen += 1;
      return {
        size: bytes.length,
        read: (offset, length) => {
          if (id === "o-breaks" && offset > 4 * MIB) throw new Error("the holder lost it");
          return bytes.subarray(offset, offset + length);
        },
        // Both ways in one transfer: a range of memory is used for the next chunk while others wait.
        readInto: (offset, target) => {
          if (id === "o-breaks" || Math.floor(offset / MIB) % 3 === 2) return false;
          target.set(bytes.subarray(offset, offset + target.length));
          return true;
        },
        close: () => {
          readersOpen -= 1;
        },
      };
    },
  });
  console.log(JSON.stringify({ address: listener.address }));
  process.stdin.on("end", async () => {
    await listener.close();
    await unixListener.close();
    console.log(JSON.stringify({ readersOpen, failures: gate.failures }));
    process.exit(0);
  });
  process.stdin.resume();
}

async function flood(
  rpc: Rpc<ServerMethods, ClientMethods>,
  connection: Connection,
  { count, bytes }: { count: number; bytes: number },
): Promise<{ queuedMax: number; waits: number }> {
  let queuedMax = 0;
  let waits = 0;
  const section = new Uint8Array(bytes);
  for (let index = 0; index < count; index++) {
    if (!connection.writable) {
      waits += 1;
      await connection.drained();
    }
    rpc.notify("flood", { index }, [section]);
    queuedMax = Math.max(queuedMax, connection.queuedBytes);
  }
  return { queuedMax, waits };
}

const [socketPath, tls] = process.argv.slice(2);
await serve(socketPath!, tlsOf(tls));
