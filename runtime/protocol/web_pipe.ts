/**
 * How a page or an edge function reaches the head's HTTP port, as both sides know it. Frames of the one protocol go over a
 * WebSocket's binary messages, whose borders mean nothing, or, where there is no WebSocket, over fetch: the answer to an
 * opening POST is the way down, and one POST after the other the way up. The token is in the first frame, never in a URL.
 * @module
 */

/** `GET` with an upgrade: a WebSocket. `POST`: opens a pipe of fetches. */
export const WEB_DRIVER_PATH: string = "/api/v1/driver";
/** `POST`, with PIPE_HEADER: the next bytes up. Answered with 204 when they are taken, so one at a time is backpressure. */
export const WEB_SEND_PATH: string = "/api/v1/driver/send";
/** The WebSocket's subprotocol. */
export const WEB_SUBPROTOCOL: string = "mobula.v1";
/** A fetch pipe's secret id: in the answer to its opening, and in every send. */
export const PIPE_HEADER: string = "mobula-pipe";
/** The send's number, from 0: one that is out of turn is refused. */
export const SEQUENCE_HEADER: string = "mobula-sequence";
/** Bytes of one send. */
export const SEND_BYTES_MAX: number = 1024 * 1024;
