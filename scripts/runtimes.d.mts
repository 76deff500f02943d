/** The runtimes of the tool chain, by their names. */
export const runtimes: Readonly<
  Record<"deno" | "bun" | "node22" | "node24" | "node26", { readonly binary: string }>
>;
