/** What a page gets: the functions of exercise.ts, for the test to call. */
import * as exercise from "./exercise.ts";

Object.assign(globalThis, { exercise });
