/**
 * A module with remote functions of its own.
 * @module
 */
import { remote } from "mobula";

export class Refused extends Error {
  override name = "Refused";
}

const THREE = 3;
const times = (a: number, b: number): number => a * b;

export const triple = remote((n: number) => times(n, THREE));
