/**
 * For `--stay`: a program that has done its work and keeps what it holds, so that one can look at it.
 * @module
 */

/** Resolves when Enter is pressed, or when there is no input (any more). */
export async function stayUntilEnter(dashboardUrl: string | undefined): Promise<void> {
  console.error(`staying: look at ${dashboardUrl ?? "the cluster"}; Enter ends`);
  await new Promise((resolve) => process.stdin.once("data", resolve).once("end", resolve));
  process.stdin.destroy();
}
