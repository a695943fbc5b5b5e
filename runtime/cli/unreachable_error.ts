/**
 * That there is no cluster where the command line looks.
 * @module
 */

/** The head cannot be reached: the command line exits with 2. */
export class UnreachableError extends Error {
  override readonly name: string = "UnreachableError";
}
