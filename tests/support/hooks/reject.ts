// A hook that fails later than it returns.
export default async function reject(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  throw new Error("rejected later");
}
