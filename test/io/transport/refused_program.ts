/** Prints why a connection to a port where nobody listens failed. */
import { connectHttp2 } from "../../../runtime/io/transport/http2_client.ts";

const hello = {} as never;
const [port] = process.argv.slice(2);
await connectHttp2({ address: `127.0.0.1:${port}`, path: "/control", hello }).catch((error: Error) =>
  console.log(error.message)
);
