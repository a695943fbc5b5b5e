/** An edge function: it answers a request with what a driver in it saw. */
import { exercise } from "./exercise.ts";

interface Environment {
  readonly URL: string;
  readonly TOKEN: string;
}

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const transport = new URL(request.url).pathname.slice(1) as "websocket" | "fetch";
    try {
      return Response.json(await exercise({ url: env.URL, token: env.TOKEN, transport }));
    } catch (error) {
      return new Response((error as Error).stack ?? String(error), { status: 500 });
    }
  },
};
