/**
 * A driver that nobody submitted: one task, then it ends.
 * @module
 */
import { get, init, remote, shutdown } from "mobula";

await init();
await get(remote(() => 1).remote());
await shutdown();
