/**
 * mobula/web in a process: all that it needs are web-standard APIs. Prints one line of JSON.
 * @module
 */
import { exercise } from "./exercise.ts";

const { WEB_URL, WEB_TOKEN, WEB_TRANSPORT } = process.env;
const transport = WEB_TRANSPORT as "websocket" | "fetch";
console.log(JSON.stringify(await exercise({ url: WEB_URL!, token: WEB_TOKEN!, transport })));
