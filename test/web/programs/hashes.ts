/** The hash of one function, made remote by mobula/web and by mobula. */
import { remote } from "mobula";
import { remote as webRemote } from "mobula/web";
import type { RemoteFunction } from "../../../runtime/io/core_worker/remote_function.ts";

const source = new Function("return (x, y) => { return x + y; }")() as (x: number, y: number) => number;
const hashOf = (remote: unknown) => (remote as RemoteFunction).code.definition.hash;
console.log(JSON.stringify({ web: hashOf(webRemote(source)), process: hashOf(remote(source)) }));
